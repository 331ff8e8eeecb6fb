//! Random rotations against a model: each line once, over restarts.
#![expect(clippy::disallowed_methods, reason = "rotates files")]

use std::fs;

use proptest::prelude::*;

use super::StartFrom;
use super::file_tail_test::Bench;

#[derive(Debug, Clone)]
enum Step {
    /// Writes lines.
    Append(u8),
    /// Writes the start of a line, whose end comes with the next lines.
    AppendPart,
    /// Renames the file and creates a new one.
    Rename,
    /// Copies the file and truncates it.
    CopyTruncate,
    /// Truncates the file, whose lines were read.
    Truncate,
    /// Deletes the file, whose lines were read, and creates another.
    Replace,
    Poll,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..9).prop_map(Step::Append),
        2 => Just(Step::AppendPart),
        2 => Just(Step::Rename),
        2 => Just(Step::CopyTruncate),
        1 => Just(Step::Truncate),
        1 => Just(Step::Replace),
        4 => Just(Step::Poll),
        2 => Just(Step::Restart),
    ]
}

/// Runs the steps; returns the lines that were written and those that were read. Where rotated files do not match, a file
/// is looked at before it is rotated: nobody can know of it otherwise.
fn run(glob: &str, steps: &[Step]) -> [Vec<String>; 2] {
    let (must_know, mut is_known) = (glob == "a.log", false);
    let bench = Bench::new(&[glob], StartFrom::Start);
    let (mut tail, mut now) = (bench.start(), 0.0);
    let (mut written, mut read, mut rotations, mut part) = (Vec::new(), Vec::new(), 0, String::new());
    let (mut line, mut looks) = (0, 0);
    let mut next = || {
        line += 1;
        format!("line {line}")
    };
    bench.append("a.log", "");
    for step in steps {
        rotations += 1;
        let is_whole = part.is_empty();
        if matches!(step, Step::Rename | Step::CopyTruncate) && must_know && !is_known && is_whole {
            read.extend(Bench::poll(&mut now, &mut tail));
        }
        looks = if is_whole { 0 } else { looks + u8::from(matches!(step, Step::Poll)) };
        match step {
            Step::Rename | Step::CopyTruncate | Step::Truncate | Step::Replace if is_whole => {
                is_known = false;
            }
            Step::Poll if looks <= 2 => is_known = fs::metadata(bench.path("a.log")).unwrap().len() > 0,
            _ => {}
        }
        match step {
            Step::Append(count) => {
                let texts: Vec<String> = (0..*count).map(|_| next()).collect();
                bench.append("a.log", texts.join("\n") + "\n");
                // The first one ends the line that has begun.
                written.extend(texts.into_iter().map(|it| std::mem::take(&mut part) + &it));
            }
            Step::AppendPart if is_whole => {
                part = next() + " and ";
                bench.append("a.log", &part);
            }
            // A program ends its line before it opens another file.
            Step::Rename if is_whole => {
                bench.rename("a.log", &format!("a.log.{rotations}"));
                bench.append("a.log", "");
            }
            Step::CopyTruncate if is_whole => {
                fs::copy(bench.path("a.log"), bench.path(&format!("a.log.{rotations}"))).unwrap();
                fs::write(bench.path("a.log"), "").unwrap();
            }
            Step::Truncate if is_whole => {
                read.extend(Bench::poll(&mut now, &mut tail));
                fs::write(bench.path("a.log"), "").unwrap();
            }
            Step::Replace if is_whole => {
                read.extend(Bench::poll(&mut now, &mut tail));
                fs::remove_file(bench.path("a.log")).unwrap();
                bench.append("a.log", "");
            }
            // A line that waits for longer is taken without its end.
            Step::Poll if looks > 2 => {}
            Step::Poll => read.extend(Bench::poll(&mut now, &mut tail)),
            Step::Restart => tail = bench.start(),
            _ => {}
        }
    }
    bench.append("a.log", if part.is_empty() { "" } else { "\n" });
    if !part.is_empty() {
        written.push(part);
    }
    (0..3).for_each(|_| read.extend(Bench::poll(&mut now, &mut tail)));
    written.sort();
    read.sort();
    [written, read]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_line_is_read_once(steps in proptest::collection::vec(step(), 0..40)) {
        let [written, read] = run("a.log", &steps);
        prop_assert_eq!(written, read);
    }

    #[test]
    fn each_line_is_read_once_where_rotated_files_match(steps in proptest::collection::vec(step(), 0..40)) {
        let [written, read] = run("a.log*", &steps);
        prop_assert_eq!(written, read);
    }
}
