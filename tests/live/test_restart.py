"""What was learned survives `kill -9`: the score is back in the first seconds, by the same model; and what is asked is done."""

import subprocess
import tempfile
import time

import pytest
from program import fetch, hostnorm, note, samples, until, value

# A commit each second here, so that a crash loses at most that.
OPTIONS = ("--interval=200ms", "--window=5", "--warmup=15s", "--storage.commit-interval=1s")
# Less than a new model needs (--warmup); a busy machine takes seconds to start the program.
BACK_SECONDS = 30


def test_restart(tools):
    with tempfile.TemporaryDirectory() as directory:
        place = f"--storage.path={directory}"

        def ask(*words, code=0):
            done = subprocess.run([tools.hostnorm, *words, place], capture_output=True, text=True, check=False)
            if done.returncode != code:
                pytest.fail(f"{words}: {done.returncode} {done.stdout} {done.stderr}")
            return (done.stdout + done.stderr).strip()

        with hostnorm(tools.hostnorm, *OPTIONS, place) as program:
            until("a model", 60, lambda: model(program))
            known = model(program)
            # Readings after the snapshot that comes with a model.
            before = value(page(program), "hostnorm_ticks_total")
            until("25 more readings", 30, lambda: value(page(program), "hostnorm_ticks_total") >= before + 25)
            program.process.kill()
            program.process.wait()
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as log, hostnorm(tools.hostnorm, *OPTIONS, place, log=log) as program:
            until("the score after kill -9", 30, lambda: value(page(program), "anomaly_score", kind="host") is not None, 0.02)
            seconds = time.monotonic() - started
            text = page(program)
            score = value(text, "anomaly_score", kind="host")
            if seconds > BACK_SECONDS or model(program) != known or value(text, "anomaly_ready", kind="host") != 1:
                log.seek(0)
                pytest.fail(f"after {seconds:.1f} s: {score}, {model(program)}, was {known}\n{log.read()}")
            note(f"the score is back {seconds:.2f} s after kill -9, {score:.2f} by model {known}")
            if known not in ask("models", "list") or "AUC" not in ask("models", "show", known):
                pytest.fail("models list and models show do not know the model")
            # Otherwise the number reads like that of a blind model.
            assert all("0.4 to 0.5 is typical" in it for it in (ask("models", "list"), ask("models", "show", known)))
            ask("models", "rollback", code=1)
            ask("models", "promote", "nothing", code=1)
            # On a busy machine an anomaly may be under way, and may start or end at this moment.
            done = subprocess.run([tools.hostnorm, "accept", place], capture_output=True, text=True, check=False)
            said = {0: "accepted: the current state of host", 1: "there is no anomaly to accept"}
            assert said[done.returncode] in done.stdout + done.stderr, done
            ask("learn", "off")
            until("learning is off", 30, lambda: value(page(program), "hostnorm_learning_enabled") == 0)
            ask("learn", "on")
            assert "there is nothing to forget" in ask("forget", "--from=-1h", "--to=-30m", code=1)
            ask("forget", "--from=-5s", "--to=-2s")
            ask("train", "--now")
            until("a second model", 30, lambda: ask("models", "list").count("Z ") >= 2)
            until("a shadow or its end", 30, lambda: tried(program))
            ask("models", "compare", known)
            if value(page(program), "anomaly_ready", kind="host") != 1:
                pytest.fail("not ready after all that was asked")
            note(ask("models", "list").replace("\n", "\nNOTE: "))
            by_another(program, ask)


def by_another(program, ask):
    """A version that rests is not in memory: it is read from the store, to judge at once or to be gone back to."""
    current = model(program)
    lines = [line.split() for line in ask("models", "list").splitlines() if "Z " in line]
    other = [line[0] for line in lines if line[0] != current][-1]
    for version in (other, current, other):
        ask("models", "promote", version)
        until(f"{version} judges", 10, lambda: model(program) == version)
    ask("models", "rollback")
    until("a way back", 10, lambda: model(program) != other)


def page(program):
    # Before the first reading there is none.
    status, _, text = fetch(f"{program.url}/metrics")
    return text if status == 200 else ""


def model(program):
    found = [labels["model"] for name, labels, _ in samples(page(program)) if name == "hostnorm_model_info"]
    return found[0] if found else None


def tried(program):
    text = page(program)
    promoted = value(text, "hostnorm_shadow_models_total", outcome="promoted")
    return promoted or value(text, "anomaly_shadow_score", kind="host") is not None
