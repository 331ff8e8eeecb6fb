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
    [board.row('', now), board.row('', who), board.row('', scores)],
    variables=[board.variable('kind', 'Kind', 'anomaly_ready{@, kind!~"host|log"}')],
    annotations=[board.annotation('Anomalies', 'anomaly_episode_info{@, kind="host"}', 'red', 'Anomaly of the host', '{{description}}', enable=false)]
  )
