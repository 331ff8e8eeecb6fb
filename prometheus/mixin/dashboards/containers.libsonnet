// Subjects other than hosts and logs. New kinds appear without a change.
local panel = import 'panel.libsonnet';

function(config, board)
  local some = 'kind=~"$kind", kind!~"host|log"';
  local now = [[
    panel.stat('Subjects', 'Containers, pods and services that hostnorm scores.', 'short', [
      panel.query('count(anomaly_ready{@, %s})' % some, 'subjects'),
    ], w=6),
    panel.stat('Anomalous now', 'Containers, pods and services with an anomaly.', 'short', [
      panel.query('sum(is_anomaly{@, %s})' % some, 'anomalous'),
    ], w=6, thresholds=panel.none),
    panel.stat('Highest score', 'Highest score of any container, pod or service; 1 is the unusual level, 2 the alert level by default.', 'none', [
      panel.query('max(anomaly_score{@, %s})' % some, 'score'),
    ], w=6, thresholds=panel.score, decimals=2),
    panel.stat('Learning', 'Containers, pods and services without a score, because they are still warming up.', 'short', [
      panel.query('sum(1 - anomaly_ready{@, %s})' % some, 'learning'),
    ], w=6, thresholds=panel.steps([[null, 'green'], [1, 'blue']])),
  ]];
  local who = [[
    panel.table(
      'Current anomalies',
      'The containers, pods and services with an anomaly, with the signals behind each anomaly.',
      'none',
      [panel.rows('max by (instance, kind, subject, description) (anomaly_episode_info{@, %s})' % some)],
      [['instance', 'Host'], ['kind', 'Kind'], ['subject', 'Name'], ['description', 'Description']],
      w=14,
      sort='Host',
      descending=false
    )
    + panel.override('Description', { 'custom.width': 520 }),
    panel.table(
      'Named in anomalies of hosts, last 24 h',
      'The containers and services whose use of a deviating resource grew most during anomalies of hosts, and for how long they were named.',
      's',
      [panel.rows('60 * topk(20, sum by (instance, culprit_kind, culprit) (count_over_time(anomaly_culprit_info{@, kind="host", culprit_kind!="process"}[24h:1m])))')],
      [['instance', 'Host'], ['culprit_kind', 'Kind'], ['culprit', 'Name'], ['Value', 'Time']],
      w=10,
      sort='Time'
    ),
  ]];
  // Containers and pods in Kubernetes are named by their namespace first.
  local namespaced = function(metric) 'label_replace(%s{@, %s, kind=~"container|pod", subject=~".+/.+"}, "namespace", "$1", "subject", "([^/]+)/.*")' % [metric, some];
  local where = [[
    panel.bars('Anomalous by namespace', 'Containers and pods with an anomaly, by namespace of Kubernetes.', 'short', [
      panel.now('sort_desc(sum by (namespace) (%s) > 0)' % namespaced('is_anomaly'), '{{namespace}}'),
    ], w=8, h=7, thresholds=panel.none),
    panel.bars('Anomalous by node', 'Containers, pods and services with an anomaly, by host.', 'short', [
      panel.now('sort_desc(sum by (instance) (is_anomaly{@, %s}) > 0)' % some, '{{instance}}'),
    ], w=8, h=7, thresholds=panel.none),
    panel.bars('Work that waits', 'The ten containers, pods and services with an anomaly of which most work waits (impact).', 'percentunit', [
      panel.now('topk(10, max by (instance, subject, resource) (anomaly_impact_ratio{@, %s}))' % some, '{{subject}}  {{resource}}'),
    ], w=8, h=7, thresholds=panel.steps([[null, 'green'], [0.1, 'yellow'], [0.5, 'red']])),
  ]];
  local one = '%s, subject=~"$subject"' % some;
  local detail = [
    [
      panel.lines('Score', 'Score of the chosen containers, pods and services, with the unusual level, 1.', 'none', [
        panel.query('topk(20, max by (instance, kind, subject) (anomaly_score{@, %s}))' % one, '{{kind}} {{subject}} on {{instance}}'),
      ], w=8, min=0, fill=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.lines('Contributions', 'The signals that contribute most to the scores of the chosen containers, pods and services.', 'none', [
        panel.query('topk(10, max by (instance, subject, signal, direction) (anomaly_contribution{@, %s}))' % one, '{{subject}}  {{signal}} {{direction}}'),
      ], w=8, min=0, fill=0),
      panel.lines('Impact', 'Part of the work that waits for each resource, during anomalies of the chosen containers, pods and services.', 'percentunit', [
        panel.query('topk(20, max by (instance, subject, resource) (anomaly_impact_ratio{@, %s}))' % one, '{{subject}}  {{resource}}'),
      ], w=8, min=0, fill=0),
    ],
    [
      panel.table(
        'Named in anomalies of hosts',
        'Anomalies of hosts in the time range in which the chosen containers and services were named, by resource, and for how long.',
        's',
        [panel.rows('60 * topk(50, sum by (instance, resource, culprit_kind, culprit) (count_over_time(anomaly_culprit_info{@, kind="host", culprit_kind!="process", culprit=~"$subject"}[$__range:1m])))')],
        [['instance', 'Host'], ['resource', 'Resource'], ['culprit_kind', 'Kind'], ['culprit', 'Name'], ['Value', 'Time']],
        w=24,
        h=6,
        sort='Time'
      ),
    ],
  ];
  local scores = [
    [
      panel.heat('Scores', 'One row for each container, pod or service. Dark is normal; the unusual level, 1, is in the middle of the scale.', 'none', panel.query('topk(50, max by (instance, subject) (anomaly_score{@, %s}))' % some, '{{subject}} on {{instance}}'), w=24, h=10),
    ],
    [
      panel.lines('Highest scores', 'The ten containers, pods and services with the highest scores, with the unusual level.', 'none', [
        panel.query('topk(10, max by (instance, subject) (anomaly_score{@, %s}))' % some, '{{subject}} on {{instance}}'),
      ], min=0, fill=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.bars('Largest contributions', 'The signals that contribute most to the score of their container, pod or service.', 'none', [
        panel.now('topk(10, max by (instance, subject, signal, direction) (anomaly_contribution{@, %s}))' % some, '{{subject}}  {{signal}} {{direction}}'),
      ], w=12, thresholds=panel.steps([[null, 'blue'], [0.3, 'yellow'], [0.7, 'red']]), decimals=2),
    ],
  ];

  board.dashboard(
    'containers',
    'Anomalies of containers, pods and systemd services.',
    [board.row('', now), board.row('', where), board.row('', who), board.row('', scores), board.row('Details of $subject', detail, collapsed=true)],
    variables=[
      board.variable('kind', 'Kind', 'anomaly_ready{@, kind!~"host|log"}'),
      board.variable('subject', 'Name', 'anomaly_ready{@, kind=~"$kind", kind!~"host|log"}'),
    ],
    annotations=[board.annotation('Anomalies', 'anomaly_episode_info{@, kind="host"}', 'red', 'Anomaly of the host', '{{description}}', enable=false)]
  )
