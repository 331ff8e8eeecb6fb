//! Links in the documentation lead to an existing file of the repository, and to an existing heading.

use std::path::Path;

use crate::project_files::{files, root};

/// The lines of a page that are not code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence && !line.starts_with("    ")
    })
}

/// The targets of `[text](target)` that are not URLs.
fn targets(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|it| !it.contains("://"))
        .collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// Why the target of a link in this page is invalid.
fn broken(page: &Path, target: &str) -> Option<String> {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { page.to_path_buf() } else { page.parent().unwrap().join(file) };
    if !path.exists() {
        return Some(format!("{}: {target} does not exist", page.display()));
    }
    if heading.is_empty() {
        return None;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let is_there = prose(&text).filter(|it| it.starts_with('#')).any(|it| anchor(it) == heading);
    (!is_there).then(|| format!("{}: {target} has no such heading", page.display()))
}

#[test]
fn each_link_leads_somewhere() {
    let mut found = files(root());
    found.retain(|it| it.extension().is_some_and(|it| it == "md"));
    assert!(found.iter().any(|it| it.ends_with("docs/glossary.md")));
    let mut wrong = Vec::new();
    for page in &found {
        let text = std::fs::read_to_string(page).unwrap();
        wrong.extend(targets(&text).into_iter().filter_map(|it| broken(page, it)));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_broken_link_is_reported() {
    let page = root().join("docs/glossary.md");
    assert_eq!(targets("[a](b.md), [c](https://d) and\n```\n[e](f)\n```\n    [g](h)\n"), ["b.md"]);
    assert_eq!(anchor("## What is, `learned`?"), "what-is-learned");
    assert!(broken(&page, "no.md").is_some_and(|it| it.ends_with("no.md does not exist")));
    assert!(broken(&page, "#nothing").is_some_and(|it| it.ends_with("#nothing has no such heading")));
    assert_eq!(broken(&page, "metrics.md#signals"), None);
}
