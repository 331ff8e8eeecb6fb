"""Traces by OTLP, as a real collector of OpenTelemetry received them: the tree of a tick, requests within the trace of
whoever asks, trainings, exemplars. By both protocols, set up by variables and by flags."""

import contextlib
import json
import pathlib
import time
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from program import Running, fetch, free_port, hostnorm, note, until, value

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PHASES = {"read", "step", "store", "publish"}
SERVER, INTERNAL = 2, 1
# So many are enough for the trees of more than twenty ticks.
SPANS = 150
# Requests one after the other.
FLOOD = 400


def plain(attributes):
    """Attributes as a mapping, whatever types they have."""
    return {it["key"]: next(iter(it["value"].values())) for it in attributes}


def received(path):
    """All spans in the collector's file, each with the attributes of who sent it."""
    spans = []
    for line in path.read_text().splitlines() if path.exists() else []:
        # The last line may be under way.
        with contextlib.suppress(json.JSONDecodeError):
            for sender in json.loads(line)["resourceSpans"]:
                resource = plain(sender["resource"]["attributes"])
                for scope in sender["scopeSpans"]:
                    spans += [{**it, "resource": resource, "is": plain(it.get("attributes", []))} for it in scope["spans"]]
    return spans


@contextlib.contextmanager
def collector(binary, folder):
    """A collector that writes what it gets to a file; its ports for gRPC and HTTP, and the file."""
    grpc, http, health = free_port(), free_port(), free_port()
    file, config = pathlib.Path(folder, "spans.json"), pathlib.Path(folder, "collector.yaml")
    config.write_text(
        f"extensions: {{health_check: {{endpoint: 127.0.0.1:{health}}}}}\n"
        f"receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{grpc}}}, http: {{endpoint: 127.0.0.1:{http}}}}}}}}}\n"
        f"exporters: {{file: {{path: {file}, flush_interval: 200ms}}}}\n"
        "service:\n"
        "  extensions: [health_check]\n"
        "  telemetry: {metrics: {level: none}}\n"
        "  pipelines: {traces: {receivers: [otlp], exporters: [file]}}\n"
    )
    with open(f"{folder}/collector.log", "w+") as log, Running([binary, f"--config={config}"], health, log) as it:
        try:
            until("the collector is up", 60, lambda: fetch(it.url)[0] == 200)
            yield grpc, http, file
        except BaseException:
            print(pathlib.Path(log.name).read_text()[-3000:])
            raise


def scrape(url, **headers):
    request = urllib.request.Request(f"{url}/metrics", headers={"Accept": OPENMETRICS, "User-Agent": "asker/1", **headers})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode()


def exemplars(page):
    families = [it for it in text_string_to_metric_families(page) if it.name == "hostnorm_tick_duration_seconds"]
    assert [it.type for it in families] == ["histogram"], families
    return [it.exemplar for it in families[0].samples if it.exemplar]


def spans_sent(page):
    return value(page, "hostnorm_otlp_exported_spans_total", outcome="sent") or 0


def check(what, fine, *shown):
    if not fine:
        pytest.fail(f"{what}: {shown}")


def ticks(spans):
    """Each whole tick with what is below it by name; the trace of a tick has nothing else."""
    trees = [it for it in spans if it["name"] == "tick"]
    below = {}
    for it in spans:
        below.setdefault((it["traceId"], it.get("parentSpanId", "")), []).append(it)
    for tick in trees:
        children = below.get((tick["traceId"], tick["spanId"]), [])
        if len(children) == len(PHASES):
            yield tick, {it["name"]: it for it in children}


def prove_ticks(spans):
    whole = list(ticks(spans))
    check("ticks are whole", len(whole) >= 20, len(whole))
    for tick, phases in whole:
        check("a tick begins a trace", not tick.get("parentSpanId") and tick["kind"] == INTERNAL, tick)
        check("the phases of a tick", phases.keys() == PHASES, phases.keys())
        ends = [int(tick["startTimeUnixNano"])]
        for name in ("read", "step", "store", "publish"):
            begin, end = int(phases[name]["startTimeUnixNano"]), int(phases[name]["endTimeUnixNano"])
            check("phases follow one another within the tick", ends[-1] <= begin <= end <= int(tick["endTimeUnixNano"]), tick, phases)
            ends.append(end)
    numbers = [int(it["is"]["hostnorm.tick"]) for it, _ in whole]
    check("each tick is there once", len(set(numbers)) == len(numbers), numbers)
    return whole


def prove_request(spans):
    asked = [it for it in spans if it["traceId"] == TRACE]
    check("the request is within the trace that it named", len(asked) == 1, asked)
    span = asked[0]
    check("its parent", (span["parentSpanId"], span["kind"], span["name"]) == (PARENT, SERVER, "GET /metrics"), span)
    wanted = {
        "http.request.method": "GET",
        "http.route": "/metrics",
        "http.response.status_code": "200",
        "url.path": "/metrics",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "user_agent.original": "asker/1",
    }
    check("its attributes", wanted.items() <= span["is"].items(), span["is"])
    missing = [it for it in spans if it["name"] == "GET" and it["is"].get("url.path") == "/nowhere"]
    check("what is not there has no route", len(missing) == 1 and "http.route" not in missing[0]["is"], missing)
    check("and is no error of the server", not missing[0].get("status"), missing)


def prove_resource(spans, name):
    resource = spans[0]["resource"]
    check("all spans are of one sender", all(it["resource"] == resource for it in spans))
    check("the service", resource["service.name"] == name and resource["service.version"], resource)
    known = {"service.instance.id", "host.name", "host.arch", "os.type", "process.pid", "telemetry.sdk.language"}
    check("who sends", known <= resource.keys(), resource)
    return resource


@pytest.mark.newest(only=True, reason="needs a collector, which Debian does not have")
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_otlp(tools, folder, protocol):
    with collector(tools.collector, folder) as (grpc, http, file):
        flags = ["--interval=100ms", "--window=1", "--warmup=2s", "--otlp.schedule-delay=200ms"]
        variables = {}
        if protocol == "grpc":
            flags += [f"--otlp.endpoint=http://127.0.0.1:{grpc}", "--otlp.protocol=grpc", "--otlp.service-name=mine", "--otlp.compression=gzip"]
        else:
            variables = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{http}/",
                "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b",
                "OTEL_RESOURCE_ATTRIBUTES": "service.name=mine,deployment.environment.name=test",
            }
        log = open(f"{folder}/log", "w+")
        with log, hostnorm(tools.hostnorm, *flags, log=log, **variables) as program:
            program.ready()
            scrape(program.url, traceparent=f"00-{TRACE}-{PARENT}-01")
            # Not recorded by who asks, so not by us.
            scrape(program.url, traceparent=f"00-{'ab' * 16}-{PARENT}-00")
            fetch(f"{program.url}/nowhere")
            trained = lambda: {"train"} <= {it["name"] for it in received(file)}
            seconds = until("a training is traced", 60, trained)
            page = scrape(program.url)
            until("the exemplars' spans arrived", 10, lambda: known_all(page, received(file)))
            counted = lambda: fetch(f"{program.url}/metrics", accept="text/plain")[2]
            until(f"{SPANS} spans are sent", 30, lambda: spans_sent(counted()) >= SPANS)
            text = counted()
            resident = value(text, "process_resident_memory_bytes")
            began = time.monotonic()
            for _ in range(FLOOD):
                fetch(f"{program.url}/-/healthy")
            lasted = time.monotonic() - began
            untraced = value(counted(), "hostnorm_http_requests_untraced_total")
        # The collector writes a moment after it took them.
        until("what was sent is written", 10, lambda: len(received(file)) >= spans_sent(text))
        spans = received(file)
        log = pathlib.Path(folder, "log").read_text()
    whole = prove_ticks(spans)
    prove_request(spans)
    resource = prove_resource(spans, "mine")
    check("attributes of the resource", protocol == "grpc" or resource["deployment.environment.name"] == "test", resource)
    check("what is not recorded is not sent", not [it for it in spans if it["traceId"] == "ab" * 16])
    train = next(it for it in spans if it["name"] == "train")
    check("a training is a trace that points to its tick", not train.get("parentSpanId") and train["links"][0]["traceId"] in {it["traceId"] for it, _ in whole}, train)
    check("a training has an outcome", train["is"]["hostnorm.outcome"] in ("done", "refused"), train)
    check("exemplars only where they belong", "trace_id" not in text and 'hostnorm_tick_duration_seconds_bucket{le="+Inf"}' in text)
    for outcome in ("failed", "dropped"):
        check("nothing is lost", value(text, "hostnorm_otlp_exported_spans_total", outcome=outcome) == 0, outcome)
    # 50 at once and ten a second have a span.
    check("a flood of requests has few spans", FLOOD - 51 - 10 * lasted <= untraced <= FLOOD, (untraced, lasted))
    check("nothing to complain about", "cannot be sent" not in log, log)
    last = max(int(it["is"]["hostnorm.tick"]) for it, _ in whole)
    note(
        f"{protocol}: {len(spans)} spans of {len(whole)} ticks, the last one {last}; training after {seconds:.1f} s; "
        f"{resident / 1e6:.1f} MB resident"
    )


def known_all(page, spans):
    found = exemplars(page)
    known = {(it["traceId"], it["spanId"]) for it in spans if it["name"] == "tick"}
    return found and all((it.labels["trace_id"], it.labels["span_id"]) in known for it in found)
