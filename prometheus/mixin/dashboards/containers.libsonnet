// Subjects other than hosts. New kinds appear without a change.
local panel = import 'panel.libsonnet';

function(config, board)
  local some = 'kind=~"$kind", kind!="host"';
  local now = [[
    panel.stat('Subjects', 'Containers and logs that hostnorm judges.', 'short', [
      panel.query('count(anomaly_ready{@, %s})' % some, 'subjects'),
    ], w=6),
    panel.stat('Anomalous now', 'Containers and logs with an anomaly.', 'short', [
      panel.query('sum(is_anomaly{@, %s})' % some, 'anomalous'),
    ], w=6, thresholds=panel.none),
    panel.stat('Highest score', 'Highest score of any container or log; the threshold is 1.', 'none', [
      panel.query('max(anomaly_score{@, %s})' % some, 'score'),
    ], w=6, thresholds=panel.score, decimals=2),
    panel.stat('Learning', 'Containers and logs without a score, because they are still warming up.', 'short', [
      panel.query('sum(1 - anomaly_ready{@, %s})' % some, 'learning'),
    ], w=6, thresholds=panel.steps([[null, 'green'], [1, 'blue']])),
  ]];
  local scores = [
    [
      panel.heat('Scores', 'One row for each container or log. Dark is normal; the threshold, 1, is in the middle of the scale.', 'none', panel.query('topk(50, max by (instance, subject) (anomaly_score{@, %s}))' % some, '{{subject}} on {{instance}}'), w=24, h=10),
    ],
    [
      panel.lines('Highest scores', 'The ten containers and logs with the highest scores, with the threshold.', 'none', [
        panel.query('topk(10, max by (instance, subject) (anomaly_score{@, %s}))' % some, '{{subject}} on {{instance}}'),
      ], min=0, fill=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.bars('Largest contributions', 'The signals that contribute most to the score of their container or log.', 'none', [
        panel.now('topk(10, max by (instance, subject, signal, direction) (anomaly_contribution{@, %s}))' % some, '{{subject}}  {{signal}} {{direction}}'),
      ], w=12, thresholds=panel.steps([[null, 'blue'], [0.3, 'yellow'], [0.7, 'red']]), decimals=2),
    ],
  ];

  board.dashboard(
    'containers',
    'Anomalies of containers and logs.',
    [board.row('', now), board.row('', scores)],
    variables=[board.variable('kind', 'Kind', 'anomaly_ready{@, kind!="host"}')],
    annotations=[board.annotation('Anomalies', 'anomaly_episode_info{@, kind="host"}', 'red', 'Anomaly of the host', '{{description}}', enable=false)]
  )
