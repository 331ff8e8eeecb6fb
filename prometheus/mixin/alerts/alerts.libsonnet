// The alerts and their texts. A text takes every figure from a metric; where a metric is absent, its clause is omitted.

// "3d" as seconds: a duration is not a number in PromQL before Prometheus 3.
local seconds(duration) =
  local unit = std.substr(duration, std.length(duration) - 1, 1);
  std.parseInt(std.substr(duration, 0, std.length(duration) - 1)) * { s: 1, m: 60, h: 3600, d: 86400 }[unit];

// The label matchers of a query built by printf, and the values for it.
local matching(labels) = std.join(',', [label + '=%q' for label in labels]);
local values(labels) = std.join(' ', ['$labels.' + label for label in labels]);

// A text without the trailing line feed of a jsonnet text block.
local line(text) = if std.endsWith(text, '\n') then std.substr(text, 0, std.length(text) - 1) else text;

{
  local config = $._config,
  local joined(labels) = std.join(', ', labels),
  local text = config {
    host: joined(config.hostLabels),
    fleet: joined(config.fleetLabels),
    fleetMatching: matching(config.fleetLabels),
    fleetValues: values(config.fleetLabels),
    hostMatching: matching(config.hostLabels),
    hostValues: values(config.hostLabels),
    subjectMatching: matching(config.hostLabels + ['kind', 'subject']),
    subjectValues: values(config.hostLabels + ['kind', 'subject']),
    // What a series is about, without the pod that reported it: a replaced pod must not be a second alert.
    ofSubject: joined(config.hostLabels + ['kind', 'subject']),
    ofSignal: joined(config.hostLabels + ['kind', 'subject', 'signal']),
    ofKind: joined(config.hostLabels + ['kind']),
    ofCollector: joined(config.hostLabels + ['collector']),
    fleetPercent: 100 * config.fleetRatio,
    longSeconds: seconds(config.longAfter),
    fillsSeconds: seconds(config.fillsWithin),
    modelSeconds: seconds(config.modelAge),
    blindSeconds: seconds(config.blindAfter),
  },

  // A link to a dashboard with the labels of the alert selected, from an hour before the query `start` to a while after now.
  // An alert without a cluster label selects no cluster.
  local dashboard(of, labels, start) =
    local selected = [
      local value = 'var-%s={{ %s | urlquery }}&';
      if label == config.clusterLabel then '{{ with $labels.%s }}%s{{ end }}' % [label, value % ['cluster', '.']]
      else value % [label, '$labels.' + label]
      for label in labels
    ];
    '%s/d/%s?%s' % [std.rstripChars(config.grafanaURL, '/'), config.dashboards[of].uid, std.join('', selected)] +
    '{{ with query %s }}from={{ . | first | value | printf "%%.0f" }}&{{ end }}' % start +
    '{{ with query "1000 * (time() + 900)" }}to={{ . | first | value | printf "%.0f" }}{{ end }}',

  // An alert has no link if its URL is unknown, because a wrong link is worse.
  local links(name, of, labels, start) =
    (if config.runbookURLPattern == '' then {} else { runbook_url: config.runbookURLPattern % name }) +
    (if config.grafanaURL == '' then {} else { dashboard_url: dashboard(of, labels, start) }),

  local alert(name, of, labels, fields) = {
    alert: name,
    labels: { severity: config.severities[name] },
    annotations: {
      summary: fields.summary % text,
      description: line(fields.description),
      [if std.objectHas(fields, 'causes') then 'causes']: line(fields.causes),
      [if std.objectHas(fields, 'culprit') then 'culprit']: line(fields.culprit),
    } + links(name, of, labels, std.get(fields, 'start', '"1000 * (time() - 10800)"')),
    expr: line(fields.expr % text),
    'for': fields['for'],
  } + (if std.get(fields, 'keep') != null then { keep_firing_for: fields.keep } else {}),

  // The start of the anomaly, else three hours ago.
  local since = ' or on () vector(1000 * (time() - 10800))',
  local start = '(printf `1000 * (subject:is_anomaly:start_timestamp_seconds{%(subjectMatching)s} - 3600)%(since)s` %(subjectValues)s)' % (text { since: since }),
  local firstStart = '(printf `1000 * (min(subject:is_anomaly:start_timestamp_seconds{%(fleetMatching)s}) - 3600)%(since)s` %(fleetValues)s)' % (text { since: since }),
  local ofHost(name, fields) = alert(name, 'host', config.hostLabels, { start: start } + fields),
  local ofItself(name, fields) = alert(name, 'itself', config.hostLabels, fields),

  local subject = '{{ if ne $labels.kind "host" }}{{ $labels.kind }} {{ $labels.subject }} of {{ end }}{{ $labels.instance }}',

  // The description comes from a label of the series. It is not a label of the alert, because a changed text would be
  // a new alert.
  local description = |||
    {{- with query (printf `anomaly_episode_info{%(subjectMatching)s}` %(subjectValues)s) }}{{ . | first | label "description" }}
    {{- else }}Anomaly on {{ $labels.kind }}{{ if ne $labels.kind "host" }} {{ $labels.subject }}{{ end }}; see the dashboard{{ end -}}
  ||| % text,

  // For messages and issues, which have no dashboard beside them. Annotations without a text mean that nothing is known.
  // The signals that raise the score most, with their parts of it.
  local causes = |||
    {{ range $idx, $it := query (printf `sort_desc(topk(3, max by (signal, direction) (anomaly_contribution{%(subjectMatching)s} > 0)))` %(subjectValues)s) }}{{ if $idx }}, {{ end }}{{ .Labels.signal }} {{ .Labels.direction }} ({{ .Value | printf "%%.1f" }}){{ end }}
  ||| % text,
  // The process whose use grew most, after the container or service that it belongs to.
  local culprit = |||
    {{ range $idx, $it := query (printf `max by (culprit_kind, culprit) (anomaly_culprit_info{%(subjectMatching)s,rank="1"})` %(subjectValues)s) | sortByLabel "culprit_kind" }}{{ if $idx }}, {{ end }}{{ .Labels.culprit_kind }} {{ .Labels.culprit }}{{ end }}
  ||| % text,

  local interval = if config.evaluationInterval == null then {} else { interval: config.evaluationInterval },

  prometheusAlerts+:: {
    groups+: [
      interval {
        name: 'hostnorm-anomalies',
        rules: $.recordedWithAlerts + [
          // Before HostAnomalySevere, which does not fire while this one does.
          alert('FleetAnomalous', 'fleet', config.fleetLabels, {
            start: firstStart,
            expr: |||
              fleet:is_anomaly:ratio{%(selector)s} >= %(fleetRatio)g
                and
              fleet:is_anomaly:sum{%(selector)s} >= %(fleetHosts)d
            |||,
            'for': config.fleetFor,
            keep: config.anomalousKeepFiringFor,
            summary: 'Anomalies on many hosts of {{ $labels.job }}',
            // One query a line: how many hosts, their main causes, which were first.
            description: |||
              {{- with query (printf `fleet:is_anomaly:sum{%(fleetMatching)s}` %(fleetValues)s) }}{{ . | first | value }}{{ end }}
              {{- with query (printf `fleet:is_anomaly:count{%(fleetMatching)s}` %(fleetValues)s) }} of {{ . | first | value }}{{ end }} hosts of job {{ $labels.job }} have an anomaly (expected less than %(fleetPercent)g %%)
              {{- range $idx, $cause := query (printf `sort_desc(topk(3, count by (signal) (topk by (%(host)s) (1, anomaly_contribution{%(fleetMatching)s,kind="host"}) > 0 and on (%(host)s) is_anomaly{%(fleetMatching)s,kind="host"} == 1)))` %(fleetValues)s %(fleetValues)s) -}}
              {{ if $idx }}, {{ else }}; main cause {{ end }}{{ .Labels.signal }} on {{ .Value }}
              {{- end -}}
              {{- range $idx, $host := query (printf `sort(bottomk(3, subject:is_anomaly:start_lag_seconds{%(fleetMatching)s}))` %(fleetValues)s) -}}
              {{ if $idx }}, then {{ .Labels.instance }} after {{ .Value | humanizeDuration }}{{ else }}; first {{ .Labels.instance }}{{ end }}
              {{- end -}}
            ||| % text,
          }),
          ofHost('HostAnomalous', {
            // Of hosts only: a node has dozens of containers and services, and one incident must not be dozens of messages.
            // hostnorm decides by the score, the budget and the impact whether an anomaly is worth an alert.
            expr: 'max by (%(ofSubject)s) (anomaly_alert{%(selector)s,kind="host"}) == 1',
            'for': config.anomalousFor,
            keep: config.anomalousKeepFiringFor,
            summary: 'Anomaly on ' + subject,
            description: description,
            causes: causes,
            culprit: culprit,
          }),
          ofHost('HostUnusual', {
            // For a digest: several times a week on an ordinary host. The shipped routes send it to nobody.
            expr: 'max by (%(ofSubject)s) (is_anomaly{%(selector)s,kind="host"}) == 1',
            'for': config.anomalousFor,
            keep: config.anomalousKeepFiringFor,
            summary: 'Unusual behavior of ' + subject,
            description: description,
          }),
          alert('LogAnomalous', 'logs', config.hostLabels + ['subject'], {
            start: start,
            // Messages are grouped by host, and an alert of the host mutes this one: see alertmanager.yml.
            expr: 'max by (%(ofSubject)s) (anomaly_alert{%(selector)s,kind="log"}) == 1',
            'for': config.anomalousFor,
            keep: config.anomalousKeepFiringFor,
            summary: 'Anomaly on ' + subject,
            description: description,
            causes: causes,
          }),
          ofHost('HostAnomalySevere', {
            // During a fleet-wide anomaly FleetAnomalous has already paged.
            expr: |||
              max by (%(ofSubject)s) (anomaly_alert{%(selector)s,kind="host"}) == 1
                and on (%(ofSubject)s)
              (
                  anomaly_score{%(selector)s,kind="host"} >= %(severeScore)g
                or
                  anomaly_severity_info{%(selector)s,kind="host",severity="critical"}
              )
                unless on (%(fleet)s)
              ALERTS{alertname="FleetAnomalous", alertstate="firing"}
            |||,
            'for': config.severeFor,
            keep: config.anomalousKeepFiringFor,
            summary: 'Severe anomaly on ' + subject,
            description: description,
            causes: causes,
            culprit: culprit,
          }),
          // One message per host, because one incident often shows in a container, its pod and its neighbors. It fires beside an
          // alert of the host, which may be about something else; Alertmanager mutes it meanwhile.
          alert('ContainerAnomalous', 'host', config.hostLabels, {
            expr: 'max by (%(host)s) (anomaly_alert{%(selector)s,kind!~"host|log"}) == 1',
            'for': config.anomalousFor,
            keep: config.anomalousKeepFiringFor,
            summary: 'Anomaly of containers or services on {{ $labels.instance }}',
            // How many, and the three with the highest scores.
            description: |||
              {{- with query (printf `count(max by (kind, subject) (anomaly_alert{%(hostMatching)s,kind!~"host|log"}) == 1)` %(hostValues)s) }}{{ . | first | value }}{{ end }} of the containers, pods and services on {{ $labels.instance }} have an anomaly worth an alert
              {{- range $idx, $it := query (printf `sort_desc(topk(3, max by (kind, subject) (anomaly_score{%(hostMatching)s,kind!~"host|log"}) and max by (kind, subject) (anomaly_alert{%(hostMatching)s,kind!~"host|log"}) == 1))` %(hostValues)s %(hostValues)s) -}}
              {{ if $idx }}, {{ else }}: {{ end }}{{ .Labels.kind }} {{ .Labels.subject }} (score {{ .Value | printf "%%.1f" }})
              {{- end -}}
            ||| % text,
            causes: |||
              {{ range $idx, $it := query (printf `sort_desc(topk(3, max by (kind, subject, signal, direction) (anomaly_contribution{%(hostMatching)s,kind!~"host|log"} > 0) and on (kind, subject) max by (kind, subject) (anomaly_alert{%(hostMatching)s,kind!~"host|log"}) == 1))` %(hostValues)s %(hostValues)s) }}{{ if $idx }}, {{ end }}{{ .Labels.signal }} {{ .Labels.direction }} of {{ .Labels.kind }} {{ .Labels.subject }} ({{ .Value | printf "%%.1f" }}){{ end }}
            ||| % text,
            // The one with the highest score.
            culprit: |||
              {{ with query (printf `topk(1, max by (kind, subject) (anomaly_score{%(hostMatching)s,kind!~"host|log"}) and max by (kind, subject) (anomaly_alert{%(hostMatching)s,kind!~"host|log"}) == 1)` %(hostValues)s %(hostValues)s) }}{{ . | first | label "kind" }} {{ . | first | label "subject" }}{{ end }}
            ||| % text,
          }),
          ofHost('HostAnomalyLong', {
            // Not by `for`: Prometheus also evaluates the texts of pending alerts.
            expr: 'time() - subject:is_anomaly:start_timestamp_seconds{%(selector)s,kind="host"} >= %(longSeconds)d',
            'for': '1m',
            summary: 'Anomaly on ' + subject + ' for more than %(longAfter)s',
            description: line(description) + '. If this is the new normal, run `hostnorm accept`; without it, hostnorm accepts by itself after %s (setting accept_after), or sooner on a new host' % config.acceptAfter,
          }),
          ofHost('HostFilesystemFillsSoon', {
            // Absent while the disk is flat, rises unsteadily, or rises as it did before without filling up.
            expr: 'min by (%(ofSignal)s, bound) (anomaly_forecast_full_seconds{%(selector)s,signal=~"filesystem_.*",bound="likely"}) < %(fillsSeconds)d',
            'for': config.fillsFor,
            keep: config.fillsKeepFiringFor,
            summary: 'A filesystem of ' + subject + ' is filling up',
            description: |||
              A filesystem of {{ $labels.instance }} is likely to run out of {{ if eq $labels.signal "filesystem_inodes_used_ratio" }}inodes{{ else }}space{{ end }} in {{ $value | humanizeDuration }}
              {{- with query (printf `anomaly_forecast_full_seconds{%(subjectMatching)s,signal=%%q,bound="earliest"}` %(subjectValues)s $labels.signal) }}, at the earliest in {{ . | first | value | humanizeDuration }}{{ end }}
              {{- with query (printf `100 * anomaly_signal{%(subjectMatching)s,signal=%%q}` %(subjectValues)s $labels.signal) }}; {{ . | first | value | printf "%%.0f" }} %% of the fullest are used now{{ end -}}
              .
            ||| % text,
          }),
        ],
      },
      interval {
        name: 'hostnorm-itself',
        rules: [
          ofItself('HostnormDown', {
            expr: 'max by (%(host)s) (up{%(selector)s}) == 0',
            'for': config.downFor,
            summary: 'hostnorm on {{ $labels.instance }} is down',
            description: |||
              Prometheus cannot scrape hostnorm on {{ $labels.instance }}
              {{- with query (printf `count(up{%(fleetMatching)s} == 0)` %(fleetValues)s) }}; of job {{ $labels.job }} {{ . | first | value }}{{ end }}
              {{- with query (printf `count(up{%(fleetMatching)s})` %(fleetValues)s) }} of {{ . | first | value }} are down{{ end -}}
              . The host is not monitored.
            ||| % text,
          }),
          alert('HostnormAbsent', 'fleet', [], {
            expr: 'absent(up{%(selector)s})',
            'for': config.absentFor,
            summary: 'Prometheus has no target for hostnorm',
            description: 'No target matches %(selector)s, so no host is monitored. Expected at least one.' % text,
          }),
          ofItself('HostnormSamplingStalled', {
            // Not the time of the last reading, because the host's clock may be wrong.
            expr: 'max by (%(host)s) (rate(hostnorm_ticks_total{%(selector)s}[%(stalledWindow)s])) == 0',
            'for': config.stalledFor,
            summary: 'hostnorm on {{ $labels.instance }} has stopped sampling',
            description: |||
              hostnorm on {{ $labels.instance }} has made no reading in %(stalledWindow)s (expected one every interval, by default 1s)
              {{- with query (printf `floor(time() - hostnorm_last_reading_timestamp_seconds{%(hostMatching)s})` %(hostValues)s) }}. The last one was {{ . | first | value | humanizeDuration }} ago{{ end -}}
              . Its scores are stale.
            ||| % text,
          }),
          ofItself('HostnormCollectorFailing', {
            expr: 'max by (%(ofCollector)s) (hostnorm_collector_success{%(selector)s}) == 0',
            'for': config.collectorFor,
            summary: 'A collector of hostnorm on {{ $labels.instance }} fails',
            description: |||
              The collector {{ $labels.collector }} of hostnorm on {{ $labels.instance }} fails
              {{- with query (printf `count(hostnorm_collector_success{%(hostMatching)s} == 0)` %(hostValues)s) }}; {{ . | first | value }}{{ end }}
              {{- with query (printf `count(hostnorm_collector_success{%(hostMatching)s})` %(hostValues)s) }} of {{ . | first | value }} collectors fail{{ end -}}
              . Its signals are missing or incomplete.
            ||| % text,
          }),
          ofItself('HostnormModelStale', {
            expr: |||
              time() - max by (%(ofKind)s) (hostnorm_model_trained_timestamp_seconds{%(selector)s}) > %(modelSeconds)d
                unless on (%(host)s)
              hostnorm_learning_enabled{%(selector)s} == 0
            |||,
            'for': '1h',
            summary: 'The model of hostnorm on {{ $labels.instance }} is stale',
            description: |||
              The model for {{ $labels.kind }} of hostnorm on {{ $labels.instance }} is {{ $value | humanizeDuration }} old (expected at most %(modelAge)s)
              {{- with query (printf `increase(hostnorm_trainings_total{%(hostMatching)s,kind=%%q,outcome="refused"}[1d]) > 0` %(hostValues)s $labels.kind) }}; {{ . | first | value | printf "%%.0f" }} trainings were refused in the last day{{ end -}}
              . It may report normal behavior as an anomaly.
            ||| % text,
          }),
          ofItself('HostnormConfigReloadFailed', {
            expr: 'max by (%(host)s) (hostnorm_config_last_reload_successful{%(selector)s}) == 0',
            'for': config.reloadFor,
            summary: 'hostnorm on {{ $labels.instance }} cannot reload its settings',
            description: |||
              hostnorm on {{ $labels.instance }} refused its new settings
              {{- with query (printf `floor(time() - hostnorm_config_last_reload_success_timestamp_seconds{%(hostMatching)s})` %(hostValues)s) }} and runs with those loaded {{ . | first | value | humanizeDuration }} ago{{ end -}}
              . A restart would fail.
            ||| % text,
          }),
          ofItself('HostnormStoreFailing', {
            // Absent if hostnorm runs without a store.
            expr: 'max by (%(host)s) (hostnorm_store_success{%(selector)s}) == 0',
            'for': config.storeFor,
            summary: 'hostnorm on {{ $labels.instance }} cannot write its store',
            description: |||
              The last write of hostnorm on {{ $labels.instance }} to its store failed
              {{- range query (printf `increase(hostnorm_store_errors_total{%(hostMatching)s}[1h]) > 0` %(hostValues)s) }}; {{ .Labels.operation }} failed {{ .Value | printf "%%.0f" }} times in the last hour{{ end -}}
              {{- with query (printf `floor(time() - hostnorm_store_last_commit_timestamp_seconds{%(hostMatching)s})` %(hostValues)s) }}; the last successful write was {{ . | first | value | humanizeDuration }} ago{{ end -}}
              . hostnorm continues in memory; a restart loses what it learned since.
            ||| % text,
          }),
          ofItself('HostnormBlind', {
            // Before the first success the start of the process counts.
            expr: |||
              time() - (
                max by (%(host)s) (hostnorm_selftest_last_success_timestamp_seconds{%(selector)s})
                  or
                max by (%(host)s) (process_start_time_seconds{%(selector)s})
              ) > %(blindSeconds)d
            |||,
            'for': '1h',
            summary: 'hostnorm on {{ $labels.instance }} fails its self-tests',
            description: |||
              No self-test has passed on {{ $labels.instance }} for {{ $value | humanizeDuration }} (expected at most %(blindAfter)s)
              {{- with query (printf `100 * hostnorm_selftest_recall_ratio{%(hostMatching)s}` %(hostValues)s) }}. The last self-test found {{ . | first | value | printf "%%.0f" }} %% of the injected faults{{ end -}}
              {{- range $idx, $detector := query (printf `sort(hostnorm_selftest_detector_auc_ratio{%(hostMatching)s} < 0.6)` %(hostValues)s) -}}
              {{- if $idx }}, {{ else }}; blind detectors: {{ end }}{{ .Labels.detector }}
              {{- end -}}
              . hostnorm may miss real faults.
            ||| % text,
          }),
        ],
      },
    ],
  },
}
