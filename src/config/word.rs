//! Words of the environment and the command line as values.

use figment::value::Value;

use super::SettingType;

/// A word of the environment or the command line, as a value of the setting's type.
pub(super) fn word(takes: Option<SettingType>, word: &str) -> Value {
    match takes {
        Some(
            SettingType::Bool
            | SettingType::Integer
            | SettingType::Number
            | SettingType::Windows
            | SettingType::Logs,
        ) => parse_flow_yaml(word),
        _ => Value::from(word),
    }
}

/// Parses YAML in flow style; other text stays text, and is refused later.
pub(super) fn parse_flow_yaml(text: &str) -> Value {
    yaml_serde::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Whether it is a YAML list, and not an address such as `[::1]:19797`.
pub(super) fn is_bracketed(text: &str) -> bool {
    text.trim().strip_prefix('[').is_some_and(|rest| rest.ends_with(']'))
}
