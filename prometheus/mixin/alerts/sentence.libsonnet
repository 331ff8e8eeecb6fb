// The sentence of an alert, worded as src/sentence.rs words what hostnorm logs: "memory used 91 % (expected 62 %,
// 58 % to 66 %), swapping 9.8 k/s". Templates of Prometheus have no arithmetic, so what has to be computed is asked of
// PromQL; each question costs some tens of microseconds at each evaluation, for each alert that is pending or firing.
local signals = import '../signals.json';

// What templates make of a signal's name without knowing it.
local plain(name) =
  local cut(name, end) = if std.endsWith(name, end) then std.substr(name, 0, std.length(name) - std.length(end)) else name;
  std.strReplace(cut(cut(cut(name, '_ratio'), '_per_second'), '_bytes'), '_', ' ');

local titled = [it for it in signals if plain(it.name) != it.title];

{
  // Name of a signal -> words.
  title:: |||
    {{- define "title" -}}
  ||| + std.join('{{- else ', [|||
    if eq . "%(name)s" -}}%(title)s
  ||| % it for it in titled]),

  // Templates to define before a sentence is made.
  definitions:: |||
    {{- define "title" -}}
    %s
    {{- else -}}{{ reReplaceAll "_" " " (reReplaceAll "(_bytes)?_per_second$|_ratio$" "" .) }}
    {{- end -}}
    {{- end -}}
    {{- define "rounded" -}}
    {{- if and (gt . -9.95) (lt . 9.95) -}}
    {{ printf "%%.1f" . | reReplaceAll "\\.0$" "" | reReplaceAll "^-0$" "0" }}
    {{- else -}}
    {{ printf "%%.0f" . }}
    {{- end -}}
    {{- end -}}
    {{- define "quantity" -}}
    {{- $bytes := match "_bytes_per_second$" .Labels.signal -}}
    {{- if match "_ratio$" .Labels.signal -}}
    {{ template "rounded" (printf "vector(100 * %%g)" .Value | query | first | value) }} %%
    {{- else if lt .Value 999.5 -}}
    {{ template "rounded" .Value }}{{ if $bytes }} {{ end }}
    {{- else if lt .Value 999.5e3 -}}
    {{ template "rounded" (printf "vector(%%g / 1e3)" .Value | query | first | value) }} k
    {{- else if lt .Value 999.5e6 -}}
    {{ template "rounded" (printf "vector(%%g / 1e6)" .Value | query | first | value) }} M
    {{- else if lt .Value 999.5e9 -}}
    {{ template "rounded" (printf "vector(%%g / 1e9)" .Value | query | first | value) }} G
    {{- else -}}
    {{ template "rounded" (printf "vector(%%g / 1e12)" .Value | query | first | value) }} T
    {{- end -}}
    {{- if $bytes }}B/s{{ else if match "_per_second$" .Labels.signal }}/s{{ end -}}
    {{- end -}}
    {{- define "phrase" -}}
    {{- $signal := .arg1 -}}
    {{- $expected := false -}}{{- $lower := false -}}{{- $upper := false -}}
    {{ template "title" $signal }}
    {{- range .arg0 -}}
    {{- if eq .Labels.signal $signal -}}
    {{- if eq .Labels.__name__ "anomaly_signal" }} {{ template "quantity" . }}{{ end -}}
    {{- if eq .Labels.__name__ "anomaly_expected" }}{{ $expected = true }}{{ end -}}
    {{- if eq .Labels.__name__ "anomaly_lower_bound" }}{{ $lower = true }}{{ end -}}
    {{- if eq .Labels.__name__ "anomaly_upper_bound" }}{{ $upper = true }}{{ end -}}
    {{- end -}}
    {{- end -}}
    {{- if $expected }} (expected{{ end -}}
    {{- range $name, ... -}}
    {{- end -}}
    {{- end -}}
  |||,
}
