//! YAML files that people write: errors of the parser in words that lead to the mistake.

use yaml_serde::{Error, Value};

/// What is wrong with a tab before the first word of a line.
const TAB: &str = "a tab indents this line; indent with spaces";

/// The line of an error, counted from 1, if it is known, and the reason.
pub type YamlProblem = (Option<usize>, String);

/// Parses a document by way of YAML's own type, which refuses duplicate keys. Merge keys (`<<`) are applied.
///
/// # Errors
/// The line and the reason, which quotes no values.
pub fn parse(text: &str) -> Result<Value, YamlProblem> {
    let mut document: Value = yaml_serde::from_str(text).map_err(|error| problem(text, &error))?;
    document.apply_merge().map_err(|error| problem(text, &error))?;
    Ok(document)
}

/// An error of the parser for this text, in words that lead to the mistake.
pub fn problem(text: &str, error: &Error) -> YamlProblem {
    let message = error.to_string();
    let place = error.location().map(|it| (it.line(), it.column()));
    // Of a duplicate, the parser has the start of the mapping, not the key.
    let line = place.map(|it| it.0).filter(|_| !message.contains("duplicate entry"));
    if let Some(key) = between(&message, "duplicate entry with key \"", "\"") {
        return duplicate(text, key);
    }
    if message.contains("more than one document") {
        return several_documents(text);
    }
    if let Some((path, _)) = message.split_once("invalid type: integer").filter(|it| it.1.contains("128")) {
        return (line, format!("{path}the number is too large"));
    }
    if message.contains("tab character that violates indentation") {
        return (line, TAB.to_owned());
    }
    if message.contains("cannot start any token")
        && let Some(words) = place.and_then(|it| misplaced_character(text, it))
    {
        return (line, words);
    }
    // The place is given beside the message; that of what began before stays.
    let Some((reason, rest)) = message.split_once(" at line ") else { return (line, message) };
    let context = rest.split_once(", ").map(|(_, context)| format!(", {context}"));
    let reason = format!("{reason}{}", context.unwrap_or_default());
    (line, reason)
}

/// The part of a text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|it| it.0)
}

/// The parser only has the start of the mapping, so the lines of the key are searched for.
fn duplicate(text: &str, key: &str) -> YamlProblem {
    match repeated(text, key) {
        Some((first, second)) => {
            (Some(second), format!("the key {key} is also on line {first}; remove one of the two"))
        }
        None => (None, format!("a mapping has the key {key} twice; remove one of the two")),
    }
}

/// The first two lines in block style with this key in the same mapping.
fn repeated(text: &str, key: &str) -> Option<(usize, usize)> {
    // The keys of the mappings that are open: indentation of the mapping, and the line of the key where it has it.
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        let mut indent = line.len() - rest.len();
        while let Some(item) = rest.strip_prefix("- ") {
            // An item of a list is a mapping of its own.
            while open.pop_if(|(other, _)| *other > indent).is_some() {}
            rest = item.trim_start();
            indent = line.len() - rest.len();
        }
        let Some((name, _)) = rest.split_once(':') else { continue };
        while open.pop_if(|(other, _)| *other > indent).is_some() {}
        if open.last().is_none_or(|(other, _)| *other < indent) {
            open.push((indent, None));
        }
        let Some((_, seen)) = open.last_mut().filter(|_| name.trim().trim_matches(['"', '\'']) == key) else {
            continue;
        };
        match seen {
            Some(first) => return Some((*first, idx + 1)),
            None => *seen = Some(idx + 1),
        }
    }
    None
}

/// Why a file seems to have several documents.
fn several_documents(text: &str) -> YamlProblem {
    let lines = || text.lines().enumerate().map(|(idx, line)| (idx + 1, line.trim_end()));
    let is_content = |line: &str| !line.trim().is_empty() && !line.starts_with(['#', '%']);
    let first = lines().find(|(_, line)| is_content(line) && *line != "---");
    if let Some((line, _)) = first.filter(|(_, it)| it.starts_with('[') && it.ends_with(']')) {
        return (Some(line), "this is a section of an INI file; write YAML, such as \"interval: 2s\"".into());
    }
    let begin = first.map_or(0, |it| it.0);
    let next = lines().find(|(line, it)| *line > begin && (*it == "---" || it.starts_with("--- ")));
    match next {
        Some((line, _)) => {
            (Some(line), "a second document begins here; keep one, and remove this line".into())
        }
        None => (None, "there is text after the end of the document; keep one document".into()),
    }
}

/// What is wrong with a character that the parser refuses at this line and column, counted from 1.
fn misplaced_character(text: &str, (line, column): (usize, usize)) -> Option<String> {
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let indentation = &line[..line.len() - line.trim_start().len()];
    match line.chars().nth(column.checked_sub(1)?)? {
        '\t' => Some(TAB.to_owned()),
        _ if indentation.contains('\t') => Some(TAB.to_owned()),
        found @ ('@' | '`' | '%') => Some(format!("no value starts with {found}; put it in quotes")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_lead_to_the_mistake() {
        for (text, line, says) in [
            ("interval: 2s\nwindow: 10\ninterval: 3s\n", Some(3), "the key interval is also on line 1"),
            ("# a\nwarmup: 10m\n\ninterval: 2s\n# c\n'interval': 3s\n", Some(6), "is also on line 4"),
            ("web:\n  a: /a\n  b: 1\n  a: /b\n", Some(4), "the key a is also on line 2"),
            ("web:\n  a: /a\nlog:\n  a: x\nweb:\n  b: 1\n", Some(5), "the key web is also on line 1"),
            (
                "w:\n  - a: 1\n    b: 2\n  - a: 1\n    b: 2\n    a: 3\n",
                Some(6),
                "the key a is also on line 4",
            ),
            ("w:\n- a: 1\n- a: 2\n  a: 3\n", Some(4), "the key a is also on line 3"),
            ("1: a\n1: b\n", None, "duplicate entry with key 1"),
            ("web: {a: 1, a: 2}\n", None, "a mapping has the key a twice"),
            ("web:\n\ta: 1\n", Some(2), "a tab indents this line; indent with spaces"),
            ("web:\n  a: 1\n  \tb: 1\n", Some(3), "a tab indents this line"),
            ("user: @admin\n", Some(1), "no value starts with @; put it in quotes"),
            ("interval: 2s\n---\nwindow: 3\n", Some(2), "a second document begins here"),
            ("---\ninterval: 2s\n\n---\n\nwindow: 5\n", Some(4), "a second document begins here"),
            ("# x\n[web]\nlisten_address=:1\n", Some(2), "a section of an INI file"),
            ("a: 1\n...\nb: 2\n", None, "after the end of the document"),
            ("a:\n  b: 99999999999999999999\n", Some(2), "a.b: the number is too large"),
            ("a: *b\n", Some(1), "unknown anchor"),
            ("a: [1\n", Some(2), "did not find expected ',' or ']', while parsing a flow sequence at line 1"),
        ] {
            let (found, reason) = parse(text).unwrap_err();
            assert!(reason.contains(says), "{text:?}: {reason}");
            assert_eq!(found, line, "{text:?}: {reason}");
        }
    }

    #[test]
    fn merge_keys_are_applied() {
        let merged = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n").unwrap();
        assert_eq!(merged["b"], parse("{y: 3, x: 1}").unwrap());
        assert!(parse("a:\n  <<: 1\n").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "([a-z_]{0,9}: ?|  |- |\n|\t|---|\\[|\\PC){0,40}") {
            if let Err((line, _)) = parse(&text) {
                prop_assert!(line.is_none_or(|it| it >= 1));
            }
        }
    }
}
