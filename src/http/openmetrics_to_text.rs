//! Converts OpenMetrics to Prometheus text 0.0.4, line by line.
//!
//! prometheus-client only writes OpenMetrics. Parsers of the older format know neither exemplars nor `info`, and expect a
//! counter's family to have the name of its series.

/// Rewrites a page that prometheus-client wrote.
pub(super) fn from_openmetrics(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# HELP ") {
            // Its name depends on the type, which the next line says.
            help = Some(family.split_once(' ').unwrap_or((family, "")).1);
        } else if let Some((name, ty)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            let (suffix, ty) = match ty {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                same => ("", same),
            };
            if let Some(help) = help.take() {
                push(&mut text, &["# HELP ", name, suffix, " ", help]);
            }
            push(&mut text, &["# TYPE ", name, suffix, " ", ty]);
        } else if !line.starts_with('#') {
            push(&mut text, &[without_exemplar(line)]);
        }
    }
    text
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|it| text.push_str(it));
    text.push('\n');
}

/// What follows a hash outside of a label value is an exemplar.
fn without_exemplar(line: &str) -> &str {
    if !line.contains(" # ") {
        return line;
    }
    let (mut quoted, mut escaped) = (false, false);
    let exemplar = line.bytes().position(|it| {
        let found = it == b'#' && !quoted;
        quoted ^= it == b'"' && !escaped;
        escaped = it == b'\\' && !escaped;
        found
    });
    exemplar.map_or(line, |it| line[..it].trim_end())
}

#[cfg(test)]
mod tests {
    use super::from_openmetrics;
    use proptest::prelude::*;

    fn check(openmetrics: &str, text: &str) {
        assert_eq!(from_openmetrics(openmetrics), text);
    }

    #[test]
    fn counters_are_called_as_their_series() {
        check(
            "# HELP hits Hits.\n# TYPE hits counter\nhits_total 1\n# EOF\n",
            "# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 1\n",
        );
    }

    #[test]
    fn gauges_stay_units_go() {
        check(
            "# HELP a_seconds A.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds{b=\"c\"} 0.5\n",
            "# HELP a_seconds A.\n# TYPE a_seconds gauge\na_seconds{b=\"c\"} 0.5\n",
        );
    }

    #[test]
    fn types_that_the_older_format_does_not_know() {
        check("# TYPE a info\na_info{b=\"c\"} 1\n", "# TYPE a_info gauge\na_info{b=\"c\"} 1\n");
        check("# TYPE a unknown\na 1\n", "# TYPE a untyped\na 1\n");
    }

    #[test]
    fn exemplars_go_and_label_values_stay() {
        check("a_total 1 # {trace=\"x\"} 1 1.5\n", "a_total 1\n");
        check("a_total{b=\"} # {\"} 1 # {trace=\"x\"} 1\n", "a_total{b=\"} # {\"} 1\n");
        check("a{b=\"\\\" # \\\\\"} 1\n", "a{b=\"\\\" # \\\\\"} 1\n");
        check("a{b=\"x # \"} 1\n", "a{b=\"x # \"} 1\n");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(page in "([#a-z{}\"\\\\ \nHELPTYéU]{0,12}(# TYPE |# HELP )?){0,20}") {
            let _ = from_openmetrics(&page);
        }
    }
}
