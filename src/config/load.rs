//! Merges file, environment and flags into one [`Config`].
//!
//! Each source is split into entries by key, and each entry is validated alone against the defaults. So all errors are
//! found at once, each with its place. figment merges the valid entries.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::setting_source::{PREFIX, PROBLEMS_SHOWN_MAX, is_service_link};
use super::settings_file::{self, SettingsFile};
use super::shown_value::{displayed_setting_value, refused, sentence_about};
use super::word::{is_bracketed, parse_flow_yaml, word};
use super::{
    Config, ConfigProblem, ConfigProblems, FlagValue, Setting, SettingType, ValueSource, otel_variables,
    settings,
};

/// Smallest similarity for suggesting a key; the same measure and value as in clap.
const SIMILARITY_MIN: f64 = 0.7;

/// Names the settings file; overridden by the flag `--config.file`.
pub const FILE_VARIABLE: &str = "HOSTNORM_CONFIG__FILE";

/// The settings, with their sources.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// The settings.
    pub config: Config,
    /// The settings file, if there is one.
    pub file: Option<PathBuf>,
    /// The source of each key that was set.
    value_sources: BTreeMap<String, ValueSource>,
}

impl LoadedConfig {
    /// Merges the settings and records their sources.
    ///
    /// # Errors
    /// All problems of the settings, not only the first.
    pub fn new(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<FlagValue>,
    ) -> Result<Self, ConfigProblems> {
        // Sorted, so that equal environments give equal messages.
        let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
        let named = environment.get(&OsString::from(FILE_VARIABLE)).filter(|it| !it.is_empty());
        let file = file.map(Path::to_owned).or_else(|| named.map(PathBuf::from));
        let mut gathered = ConfigMerger { settings: settings(), entries: Vec::new(), problems: Vec::new() };
        if let Some(path) = &file {
            gathered.file(path);
        }
        gathered.standard(&environment);
        gathered.environment(&environment);
        gathered.flags(flags);
        gathered.finish(file)
    }

    /// The source of a key.
    pub fn source(&self, key: &str) -> &ValueSource {
        self.value_sources.get(key).unwrap_or(&ValueSource::Default)
    }
}

/// One value from one source.
struct SourcedValue {
    key: String,
    value: Value,
    source: ValueSource,
}

/// The entries so far, lowest precedence first.
struct ConfigMerger {
    settings: Vec<Setting>,
    entries: Vec<SourcedValue>,
    problems: Vec<ConfigProblem>,
}

impl ConfigMerger {
    fn file(&mut self, path: &Path) {
        let source = |line| ValueSource::File { path: path.to_owned(), line };
        match SettingsFile::read(path) {
            Ok(file) => {
                let lines = settings_file::YamlKeyLines::of(&file.text);
                self.dict("", file.settings, &|key| source(lines.line_of(key)));
            }
            Err((line, sentence)) => {
                self.problems.push(ConfigProblem { source: source(line), key: None, value: None, sentence });
            }
        }
    }

    /// Splits a mapping into entries, as far as its keys are sections.
    fn dict(&mut self, section: &str, dict: Dict, source: &dyn Fn(&str) -> ValueSource) {
        for (name, value) in dict {
            let key = if section.is_empty() { name } else { format!("{section}.{name}") };
            let is_section = self.settings.iter().any(|it| it.is_below(&key));
            match value {
                Value::Dict(_, below) if is_section => self.dict(&key, below, source),
                // A key without a value, as when everything below it is commented out, is ignored.
                Value::Empty(..) if is_section || self.setting(&key).is_some() => (),
                value => self.entry(SourcedValue { source: source(&key), key, value }),
            }
        }
    }

    /// Adds the variables of OpenTelemetry, which hostnorm's own override.
    fn standard(&mut self, environment: &BTreeMap<OsString, OsString>) {
        for (key, source, read) in otel_variables::read(environment) {
            let key = key.to_owned();
            match read {
                Ok(value) => self.entry(SourcedValue { key, value, source }),
                Err(sentence) => {
                    self.problems.push(ConfigProblem { source, key: Some(key), value: None, sentence });
                }
            }
        }
    }

    fn environment(&mut self, environment: &BTreeMap<OsString, OsString>) {
        for (name, value) in environment {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let key = rest.to_lowercase().replace("__", ".");
            let Some(value) = value.to_str() else {
                let (source, sentence) =
                    (ValueSource::Environment { name: name.into_owned() }, "is not UTF-8".into());
                self.problems.push(ConfigProblem { source, key: None, value: None, sentence });
                continue;
            };
            // Many tools unset a variable like `HOSTNORM_INTERVAL=`.
            if value.is_empty() || name == FILE_VARIABLE {
                continue;
            }
            let takes = self.setting(&key).map(|it| it.takes);
            if takes.is_none() && is_service_link(rest) {
                continue;
            }
            let value = match takes {
                Some(SettingType::TextList) if is_bracketed(value) => parse_flow_yaml(value),
                Some(SettingType::TextList) => {
                    value.split(',').map(str::trim).filter(|it| !it.is_empty()).collect::<Vec<_>>().into()
                }
                takes => word(takes, value),
            };
            let source = ValueSource::Environment { name: name.into_owned() };
            self.entry(SourcedValue { key, value, source });
        }
    }

    fn flags(&mut self, flags: Vec<FlagValue>) {
        for FlagValue { key, flag, words } in flags {
            let takes = self.setting(&key).map(|it| it.takes);
            let value = match (takes, words.last()) {
                (Some(SettingType::TextList), _) | (_, None) => Value::from(words),
                (Some(SettingType::Windows | SettingType::Logs), _) => {
                    words.iter().map(|it| parse_flow_yaml(it)).collect::<Vec<_>>().into()
                }
                (takes, Some(last)) => word(takes, last),
            };
            self.entry(SourcedValue { key, value, source: ValueSource::Flag { name: flag } });
        }
    }

    fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|it| it.key == key)
    }

    /// Adds an entry if its key is known and its value is valid.
    fn entry(&mut self, entry: SourcedValue) {
        let setting = self.setting(&entry.key);
        let sentence = match setting {
            None => Some(self.unknown(&entry)),
            Some(setting) => refusal(setting, &entry),
        };
        let SourcedValue { key, value, source } = &entry;
        // What an unknown key has may be a secret below a misspelled name.
        let shown = setting.map(|_| refused(key, value));
        match sentence {
            None => self.entries.push(entry),
            Some(sentence) => self.problems.push(ConfigProblem {
                source: source.clone(),
                key: Some(key.clone()),
                value: shown,
                sentence: sentence_about(value, sentence),
            }),
        }
    }

    fn unknown(&self, SourcedValue { key, source, .. }: &SourcedValue) -> String {
        if let Some(below) = self.settings.iter().find(|it| it.is_below(key)) {
            return format!(
                "is a section; its settings stand below it, such as {}",
                source.name_of(&below.key)
            );
        }
        // Further problems are only counted.
        if self.problems.len() >= PROBLEMS_SHOWN_MAX {
            return "unknown setting".into();
        }
        let wanted = key.replace('-', "_");
        let flat = |key: &str| key.replace('.', "_");
        let similarity = |candidate: &str| match candidate.strip_suffix(&wanted) {
            // One underscore instead of two.
            _ if flat(candidate) == flat(&wanted) => 2.0,
            Some(section) if section.ends_with('.') => 1.0,
            _ => strsim::jaro(candidate, &wanted),
        };
        let keys = self.settings.iter().flat_map(|it| [it.key.as_ref(), it.section()]);
        // The variable of the settings file is no setting, but may be misspelled as one.
        let file = matches!(source, ValueSource::Environment { .. }).then_some("config.file");
        let nearest =
            keys.chain(file).map(|it| (similarity(it), it)).max_by(|one, other| one.0.total_cmp(&other.0));
        match nearest {
            Some((similarity, nearest)) if similarity >= SIMILARITY_MIN => {
                format!("unknown setting; did you mean {}?", source.name_of(nearest))
            }
            _ => "unknown setting; hostnorm check --print-defaults lists all".into(),
        }
    }

    fn finish(mut self, file: Option<PathBuf>) -> Result<LoadedConfig, ConfigProblems> {
        let mut figment = Figment::from(ConfigLayer::defaults());
        let mut value_sources = BTreeMap::new();
        for SourcedValue { key, value, source } in self.entries {
            figment = figment.merge(ConfigLayer { dict: nested(&key, value) });
            value_sources.insert(key, source);
        }
        let source_of = |key: &str| value_sources.get(key).cloned().unwrap_or(ValueSource::Default);
        match figment.extract::<Config>() {
            Ok(config) => {
                self.problems.extend(config.complaints().into_iter().map(|it| {
                    let value = figment.find_value(it.key).ok();
                    ConfigProblem {
                        source: source_of(it.key),
                        value: value.as_ref().map(|value| displayed_setting_value(it.key, value)),
                        key: Some(it.key.to_owned()),
                        sentence: value.iter().fold(it.sentence, |it, value| sentence_about(value, it)),
                    }
                }));
                if self.problems.is_empty() {
                    return Ok(LoadedConfig { config, file, value_sources });
                }
            }
            // Each entry was validated, so this is a setting without a default.
            Err(error) => self.problems.push(ConfigProblem {
                source: ValueSource::Default,
                key: Some(error.path.join(".")),
                value: None,
                sentence: error.kind.to_string(),
            }),
        }
        self.problems.sort_by_key(|it| it.source.order());
        Err(ConfigProblems(self.problems))
    }
}

/// Why a value is invalid for its setting.
fn refusal(setting: &Setting, entry: &SourcedValue) -> Option<String> {
    let figment = Figment::from(ConfigLayer::defaults())
        .merge(ConfigLayer { dict: nested(&entry.key, entry.value.clone()) });
    let error = figment.extract::<Config>().err()?;
    Some(match error.kind {
        Kind::Message(sentence) => sentence,
        Kind::UnknownField(name, known) => {
            format!("unknown key {name:?}; expected one of {}", known.join(", "))
        }
        _ => format!("expected {}, found {}", setting.takes.words(), refused(&entry.key, &entry.value)),
    })
}

/// The values of one source, for figment.
struct ConfigLayer {
    dict: Dict,
}

impl ConfigLayer {
    fn defaults() -> Self {
        // Serialization of plain data cannot fail; if it did, the missing keys would be reported at the end.
        let dict = Value::serialize(Config::default()).ok().and_then(Value::into_dict).unwrap_or_default();
        Self { dict }
    }
}

impl Provider for ConfigLayer {
    fn metadata(&self) -> Metadata {
        Metadata::named("settings")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

fn nested(key: &str, value: Value) -> Dict {
    nest(key, value).into_dict().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(environment: &[(&str, &str)], flags: &[(&str, &[&str])], expect: &str) {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let flags = flags.iter().map(|(key, words)| FlagValue {
            key: (*key).into(),
            flag: key.replace('_', "-"),
            words: words.iter().map(|it| (*it).into()).collect(),
        });
        let found = match LoadedConfig::new(None, environment, flags.collect()) {
            Err(problems) => problems.to_string(),
            Ok(loaded) => {
                let lines = super::super::effective_settings_yaml(&loaded);
                let changed = lines.lines().filter(|it| it.contains("  # ") && !it.ends_with("# default"));
                changed.map(str::trim).collect::<Vec<_>>().join("\n")
            }
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn flags_stand_above_the_environment() {
        check(&[("HOSTNORM_INTERVAL", "2s")], &[], "interval: 2s  # environment variable HOSTNORM_INTERVAL");
        check(&[("HOSTNORM_INTERVAL", "2s")], &[("interval", &["3s"])], "interval: 3s  # flag --interval");
    }

    #[test]
    fn lists_in_the_environment_have_commas_or_brackets() {
        let expect =
            "listen_address: [\":1\",\"[::1]:2\"]  # environment variable HOSTNORM_WEB__LISTEN_ADDRESS";
        check(&[("HOSTNORM_WEB__LISTEN_ADDRESS", ":1, [::1]:2")], &[], expect);
        check(&[("HOSTNORM_WEB__LISTEN_ADDRESS", "[':1', '[::1]:2']")], &[], expect);
        let expect = "listen_address: [\"[::1]:2\"]  # environment variable HOSTNORM_WEB__LISTEN_ADDRESS";
        check(&[("HOSTNORM_WEB__LISTEN_ADDRESS", "[::1]:2")], &[], expect);
    }

    #[test]
    fn foreign_variables_are_left_alone() {
        check(
            &[
                ("PATH", "/bin"),
                ("HOSTNORM_INTERVAL", ""),
                ("HOSTNORM_SERVICE_HOST", "10.0.0.1"),
                ("HOSTNORM_SERVICE_PORT", "80"),
                ("HOSTNORM_SERVICE_PORT_WEB", "80"),
                ("HOSTNORM_PORT", "tcp://10.0.0.1:80"),
                ("HOSTNORM_PORT_80_TCP", "tcp://10.0.0.1:80"),
                ("HOSTNORM_PORT_80_TCP_ADDR", "10.0.0.1"),
                ("HOSTNORM_WEB_SERVICE_HOST", "10.0.0.1"),
            ],
            &[],
            "",
        );
    }

    #[test]
    fn no_setting_looks_like_a_kubernetes_service() {
        for setting in settings() {
            let variable = setting.variable();
            assert!(!is_service_link(&variable[PREFIX.len()..]), "{variable}");
        }
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        check(
            &[
                ("HOSTNORM_CONFIG_FILE", "a.yaml"),
                ("HOSTNORM_INTERVALL", "2s"),
                ("HOSTNORM_METRICS__RAW", "yes"),
                ("HOSTNORM_WEB_LISTEN_ADDRESS", ":1"),
            ],
            &[("interval", &["0"]), ("window", &["many"])],
            "environment variable HOSTNORM_CONFIG_FILE: unknown setting; did you mean HOSTNORM_CONFIG__FILE?\n\
             environment variable HOSTNORM_INTERVALL: unknown setting; did you mean HOSTNORM_INTERVAL?\n\
             environment variable HOSTNORM_METRICS__RAW: expected true or false, found yes\n\
             environment variable HOSTNORM_WEB_LISTEN_ADDRESS: unknown setting; did you mean HOSTNORM_WEB__LISTEN_ADDRESS?\n\
             flag --window: expected a whole number, found many\n\
             flag --interval: 0 is too short; the shortest interval is 100ms",
        );
    }

    proptest! {
        #[test]
        fn any_environment_is_parsed_or_refused(name in "[A-Z_.]{0,20}", value in ".*") {
            let _ = LoadedConfig::new(None, [(format!("{PREFIX}{name}").into(), value.into())], Vec::new());
        }
    }
}
