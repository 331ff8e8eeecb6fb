//! Prints settings as YAML: the commented defaults, or the effective values with their sources.

use figment::value::Value;

use super::shown_value::displayed_setting_value;
use super::{Config, LoadedConfig, Setting, settings};

/// Width at which comments are wrapped.
const WIDTH: usize = 100;
/// Indentation of each section.
const INDENT: &str = "  ";

/// Every setting at its default with its help as a comment; loading this file changes nothing.
pub fn default_file() -> String {
    let mut text = String::from(
        "# All settings of hostnorm with their defaults, the common ones first. All are optional.\n\
         # A flag overrides the environment, which overrides this file.\n",
    );
    let defaults = values(&Config::default());
    each(&mut text, |text, setting, indent| {
        // No empty line between a section and the first setting in it.
        if !text.ends_with(":\n") || indent.is_empty() {
            text.push('\n');
        }
        for line in wrapped(&setting.help, WIDTH - indent.len()) {
            text.push_str(&format!("{indent}# {line}\n"));
        }
        text.push_str(&format!("{indent}{}: {}\n", setting.name(), shown_at(&defaults, &setting.key)));
    });
    text
}

/// Every effective setting with its source as a comment.
pub fn effective_settings_yaml(loaded: &LoadedConfig) -> String {
    let mut text = String::new();
    let effective = values(&loaded.config);
    each(&mut text, |text, setting, indent| {
        let value = shown_at(&effective, &setting.key);
        text.push_str(&format!("{indent}{}: {value}  # {}\n", setting.name(), loaded.source(&setting.key)));
    });
    text
}

/// The default of a setting in YAML.
pub(crate) fn default_of(setting: &Setting) -> String {
    shown_at(&values(&Config::default()), &setting.key)
}

/// Calls `write` for each setting, and writes the lines of sections.
fn each(text: &mut String, mut write: impl FnMut(&mut String, &Setting, &str)) {
    let settings = settings();
    let mut open: Vec<&str> = Vec::new();
    for setting in &settings {
        let sections: Vec<&str> = setting.sections().collect();
        let same = open.iter().zip(&sections).take_while(|(one, other)| one == other).count();
        for (depth, section) in sections.iter().enumerate().skip(same) {
            text.push_str(&format!("\n{}{section}:\n", INDENT.repeat(depth)));
        }
        open = sections;
        write(text, setting, &INDENT.repeat(open.len()));
    }
}

fn values(config: &Config) -> Option<Value> {
    Value::serialize(config).ok()
}

fn shown_at(values: &Option<Value>, key: &str) -> String {
    values
        .as_ref()
        .and_then(|it| it.find_ref(key))
        .map(|it| displayed_setting_value(key, it))
        .unwrap_or_default()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dotted keys of all values that are not mappings.
    fn keys(value: &Value, above: &str, into: &mut Vec<String>) {
        for (name, value) in value.as_dict().into_iter().flatten() {
            let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            match value.as_dict() {
                Some(_) => keys(value, &key, into),
                None => into.push(key),
            }
        }
    }

    #[test]
    fn table_and_struct_agree() {
        let mut of_struct = Vec::new();
        keys(&Value::serialize(Config::default()).unwrap(), "", &mut of_struct);
        let mut of_table: Vec<_> = settings().iter().map(|it| it.key.to_string()).collect();
        of_struct.sort();
        of_table.sort();
        assert_eq!(of_struct, of_table);
    }

    #[test]
    fn comments_are_wrapped() {
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrapped("longer", 3), ["longer"]);
    }
}
