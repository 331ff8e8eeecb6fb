// The sentence of an alert, worded as src/sentence.rs words what hostnorm logs: "memory used 91 % (expected 62 %,
// 58 % to 66 %), swapping 9.8 k/s". Templates of Prometheus cannot calculate, so that is asked of PromQL; each question
// takes some tens of microseconds at each evaluation, for each alert that is pending or firing.
local signals = import '../signals.json';

// What the template "title" makes of the name of a signal that it does not know.
local plain(name) =
  local cut(name, end) = if std.endsWith(name, end) then std.substr(name, 0, std.length(name) - std.length(end)) else name;
  std.strReplace(cut(cut(cut(name, '_ratio'), '_per_second'), '_bytes'), '_', ' ');

// One text with all titles, to be cut by an expression: Prometheus parses the template of each alert at each evaluation,
// and a text costs less than a condition for each signal.
local titles = std.join(';', ['%s=%s' % [it.name, it.title] for it in signals if plain(it.name) != it.title]);

// Templates that are defined before they are used. Each takes and gives one thing, without white space around it.
local definitions =
  |||
    {{- define "title" -}}
    {{- $titles := ";%s;" -}}
    {{- if match (printf ";%%s=" .) $titles -}}
    {{- reReplaceAll (printf ".*;%%s=([^;]*);.*" .) "$1" $titles -}}
    {{- else -}}
    {{- reReplaceAll "_" " " (reReplaceAll "(_bytes)?_per_second$|_ratio$" "" .) -}}
    {{- end -}}
    {{- end -}}
  ||| % titles +
  |||
    {{- define "rounded" -}}
    {{- if and (gt . -9.95) (lt . 9.95) -}}
    {{- printf "%.1f" . | reReplaceAll "[.]0$" "" | reReplaceAll "^-0$" "0" -}}
    {{- else -}}
    {{- printf "%.0f" . -}}
    {{- end -}}
    {{- end -}}
    {{- define "quantity" -}}
    {{- $bytes := match "_bytes_per_second$" .Labels.signal -}}
    {{- if match "_ratio$" .Labels.signal -}}
    {{- template "rounded" (printf "vector(100 * %g)" .Value | query | first | value) }} %
    {{- else if lt .Value 999.5 -}}
    {{- template "rounded" .Value }}{{ if $bytes }} {{ end }}
    {{- else -}}
    {{- $text := printf "vector(%.3g)" .Value | query | first | value | humanize -}}
    {{- template "rounded" (reReplaceAll "[a-zA-Z]" "" $text | printf "vector(%s)" | query | first | value) }} {{ reReplaceAll "[^a-zA-Z]" "" $text -}}
    {{- end -}}
    {{- if $bytes }}B/s{{ else if match "_per_second$" .Labels.signal }}/s{{ end -}}
    {{- end -}}
    {{- define "values" -}}
    {{- $expected := false -}}{{- $lower := false -}}{{- $upper := false -}}
    {{- range . -}}
    {{- if eq .Labels.__name__ "anomaly_signal" }} {{ template "quantity" . }}{{ end -}}
    {{- if eq .Labels.__name__ "anomaly_upper_bound" }}{{ $upper = true }}{{ end -}}
    {{- end -}}
    {{- range . -}}
    {{- if eq .Labels.__name__ "anomaly_expected" }}{{ $expected = true }} (expected {{ template "quantity" . }}{{ end -}}
    {{- if $expected -}}
    {{- if eq .Labels.__name__ "anomaly_lower_bound" -}}
    {{- $lower = true }}, {{ if not $upper }}at least {{ end }}{{ template "quantity" . -}}
    {{- else if eq .Labels.__name__ "anomaly_upper_bound" -}}
    {{- if $lower }} to {{ else }}, at most {{ end }}{{ template "quantity" . -}}
    {{- end -}}
    {{- end -}}
    {{- end -}}
    {{- if $expected }}){{ end -}}
    {{- end -}}
  |||;

{
  // The labels of a series, for a query that printf makes, and the values to fill in.
  matching(labels):: std.join(',', [label + '=%q' for label in labels]),
  values(labels):: std.join(' ', ['$labels.' + label for label in labels]),

  // "Anomaly on host: CPU busy 97 % (expected 3 %, 0 % to 9 %), tasks blocked 3; for 12m 30s, score 4.2 (limit 1)".
  // What ceased comes first, and is not said twice; the rows of a signal are in the order of their names, so that the
  // expected value comes before its bounds. When a whole fleet is struck, its alert speaks for all and the sentence is
  // short: what is asked for each host would add up just when there are many.
  anomaly(hostLabels, fleetLabels)::
    local labels = hostLabels + ['kind', 'subject'];
    local text = {
      matching: $.matching(labels),
      values: $.values(labels),
      fleetMatching: $.matching(fleetLabels),
      fleetValues: $.values(fleetLabels),
      fleet: std.join(', ', fleetLabels),
    };
    definitions + |||
      Anomaly on {{ $labels.kind }}{{ if ne $labels.kind "host" }} {{ $labels.subject }}{{ end }}
      {{- with query (printf `fleet:is_anomaly:sum{%(fleetMatching)s} and on (%(fleet)s) ALERTS{alertname="FleetAnomalous"}` %(fleetValues)s) -}}
      , one of {{ . | first | value }} hosts of job {{ $labels.job }} at once; see the alert FleetAnomalous
      {{- else }}:{{ " " }}
      {{- range $idx, $cause := query (printf `sort_desc(topk(3, 1e9 * anomaly_absent_signal{%(matching)s} or on (signal) anomaly_contribution{%(matching)s} > 0))` %(values)s %(values)s) -}}
      {{- if $idx }}, {{ end }}{{ template "title" .Labels.signal }}
      {{- if eq .Labels.absence "flat_line" }} stood still
      {{- else if .Labels.absence }} {{ .Labels.absence }}
      {{- else -}}
      {{- template "values" (query (printf `{__name__=~"anomaly_(signal|expected|lower_bound|upper_bound)",%(matching)s,signal=%%q}` %(values)s .Labels.signal) | sortByLabel "__name__") -}}
      {{- end -}}
      {{- else }}no single signal stands out
      {{- end -}}
      {{- with query (printf `floor(time() - subject:is_anomaly:onset_timestamp_seconds{%(matching)s})` %(values)s) }}; for {{ . | first | value | humanizeDuration }}{{ end -}}
      {{- with query (printf `anomaly_score{%(matching)s}` %(values)s) }}, score {{ template "rounded" (. | first | value) }} (limit 1){{ end -}}
      {{- end -}}
    ||| % text,

  // The words for signals alone, where nothing else is needed of the above.
  definitions:: definitions,
}
