//! There are no circular imports: siblings in the tree of modules do not use each other, even indirectly.
//!
//! A module and its children are one unit to the outside, so a child may use definitions of its parent. Re-exported
//! names are followed to their definition.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;

use super::{rust_files, src};

/// The names of a module from the root of the crate.
type Module = Vec<String>;

/// Modules whose children use nothing of their parent.
const ONE_WAY: &[&str] = &["store"];

struct Sources {
    /// Code without comments and unit tests.
    code: BTreeMap<Module, String>,
    /// Re-exports of a module, by last name.
    passed_on: BTreeMap<Module, BTreeMap<String, Module>>,
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    let sources = Sources::read();
    let uses: BTreeMap<Module, BTreeSet<Module>> =
        sources.code.keys().map(|it| (it.clone(), sources.used(it))).collect();
    let parents: BTreeSet<&[String]> =
        uses.keys().flat_map(|it| (0..it.len()).map(|length| &it[..length])).collect();
    let mut wrong = Vec::new();
    for parent in parents {
        let neighbor = |it: &Module| it.starts_with(parent).then(|| it.get(parent.len()).cloned()).flatten();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, used) in &uses {
            let Some(from) = neighbor(module) else { continue };
            let used = used.iter().filter_map(neighbor).filter(|it| *it != from);
            edges.entry(from.clone()).or_default().extend(used);
        }
        if let Some(circle) = circle(&edges) {
            wrong.push(format!("in {:?}: {}", parent.join("::"), circle.join(" uses ")));
        }
    }
    for (module, used) in &uses {
        let is_child = module.len() > 1 && ONE_WAY.contains(&module[0].as_str());
        if is_child && used.contains(&module[..module.len() - 1]) {
            wrong.push(format!("{} uses its parent", module.join("::")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn finds_a_circle() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            edges.entry((*from).into()).or_default().insert((*to).into());
        }
        circle(&edges).map(|it| it.join(" "))
    };
    assert_eq!(edges(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]), None);
    assert_eq!(edges(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")]).as_deref(), Some("b c d b"));
}

#[test]
fn expands_the_paths_of_a_use() {
    for (text, expect) in [
        ("super::a::B", vec!["super::a::B"]),
        (
            "super::a::{self, B, c::{D, E as F}}",
            vec!["super::a::self", "super::a::B", "super::a::c::D", "super::a::c::E"],
        ),
        ("{a, b::C}", vec!["a", "b::C"]),
    ] {
        assert_eq!(expanded(text), expect);
    }
}

/// The first circle found, with its start at both ends.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| walk(edges, start, &mut Vec::new(), &mut done))
}

fn walk(
    edges: &BTreeMap<String, BTreeSet<String>>,
    at: &str,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(begin) = path.iter().position(|it| it == at) {
        return Some([&path[begin..], &[at.to_owned()]].concat());
    }
    if !done.contains(at) {
        path.push(at.to_owned());
        for next in edges.get(at).into_iter().flatten() {
            if let Some(found) = walk(edges, next, path, done) {
                return Some(found);
            }
        }
        path.pop();
        done.insert(at.to_owned());
    }
    None
}

/// The paths of a `use`, with groups expanded and without renames.
fn expanded(text: &str) -> Vec<String> {
    let text = text.trim();
    let Some((front, group)) = text.split_once('{') else {
        return vec![text.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let (mut depth, mut begin, mut paths) = (0, 0, Vec::new());
    for (idx, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                let part = &group[begin..idx];
                if !part.trim().is_empty() {
                    paths.extend(expanded(part).into_iter().map(|it| format!("{front}{it}")));
                }
                begin = idx + 1;
            }
            '}' => depth -= 1,
            _ => (),
        }
    }
    paths
}

impl Sources {
    fn read() -> Self {
        let mut code = BTreeMap::new();
        for path in rust_files() {
            let relative = path.strip_prefix(src()).unwrap().with_extension("");
            let mut module: Module = relative.iter().map(|it| it.to_string_lossy().into_owned()).collect();
            module.pop_if(|it| it == "mod");
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            code.insert(module, lines.collect::<Vec<_>>().join(" "));
        }
        let mut sources = Self { code, passed_on: BTreeMap::new() };
        let passed_on = sources.code.keys().map(|module| {
            let paths =
                uses(&sources.code[module]).into_iter().filter_map(|it| sources.absolute(module, &it));
            (module.clone(), paths.filter_map(|it| Some((it.last()?.clone(), it))).collect())
        });
        sources.passed_on = passed_on.collect();
        sources
    }

    /// The modules that this one uses.
    fn used(&self, module: &Module) -> BTreeSet<Module> {
        let code = &self.code[module];
        let inline = Regex::new(r"\b(?:crate|super)(?:::\w+)+").unwrap();
        let without = Regex::new(r"\buse\s[^;]+;").unwrap().replace_all(code, "").into_owned();
        let paths = uses(code).into_iter().chain(inline.find_iter(&without).map(|it| it.as_str().to_owned()));
        let mut used: BTreeSet<Module> =
            paths.filter_map(|it| self.defined(&self.absolute(module, &it)?, 0)).collect();
        used.remove(module);
        used
    }

    /// A path from the root of the crate; `None` for other crates.
    fn absolute(&self, module: &Module, path: &str) -> Option<Module> {
        let mut base = module.clone();
        let mut parts: Vec<&str> = path.split("::").map(str::trim).filter(|it| *it != "self").collect();
        match parts.first().copied() {
            Some("crate") => base.clear(),
            Some("super") => (),
            first => {
                let child = [&module[..], &[first?.to_owned()]].concat();
                if !path.starts_with("self::") && !self.code.contains_key(&child) {
                    return None;
                }
            }
        }
        while matches!(parts.first(), Some(&("super" | "crate"))) {
            if parts.remove(0) == "super" {
                base.pop();
            }
        }
        base.extend(parts.into_iter().map(str::to_owned));
        Some(base)
    }

    /// The module in which the item at this path is defined.
    fn defined(&self, path: &[String], steps: usize) -> Option<Module> {
        let length = (1..=path.len()).rev().find(|it| self.code.contains_key(&path[..*it]))?;
        let (module, rest) = path.split_at(length);
        let passed_on = rest.first().and_then(|name| self.passed_on.get(module)?.get(name));
        match passed_on {
            Some(reexported) if steps < 8 => self.defined(&[&reexported[..], &rest[1..]].concat(), steps + 1),
            _ => Some(module.to_vec()),
        }
    }
}

/// The paths of all `use` items.
fn uses(code: &str) -> Vec<String> {
    let items = Regex::new(r"\buse\s+([^;]+);").unwrap();
    items.captures_iter(code).flat_map(|it| expanded(&it[1])).collect()
}
