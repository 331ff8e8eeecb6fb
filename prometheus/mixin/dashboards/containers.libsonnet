// What is watched besides hosts. Subjects of any other kind appear by themselves once there are some.
local panel = import 'panel.libsonnet';

function(config, board)
  local some = 'kind=~"$kind", kind!="host"';
  local now = [[
    panel.stat('Watched', 'Containers and logs that are watched.', 'short', [
      panel.query('count(anomaly_ready{@, %s})' % some, 'watched'),
    ], w=6),
    panel.stat('Anomalous now', 'Those of them that are in an anomaly.', 'short', [
      panel.query('sum(is_anomaly{@, %s})' % some, 'anomalous'),
    ], w=6, thresholds=panel.none),
    panel.stat('Highest score', 'Of the one that is furthest from its normal; 1 is the limit.', 'none', [
      panel.query('max(anomaly_score{@, %s})' % some, 'score'),
    ], w=6, thresholds=panel.score, decimals=2),
    panel.stat('Learning', 'Those that are not known well enough for a score.', 'short', [
      panel.query('sum(1 - anomaly_ready{@, %s})' % some, 'learning'),
    ], w=6, thresholds=panel.steps([[null, 'green'], [1, 'blue']])),
  ]];
  local scores = [
    [
      panel.heat('Scores', 'One row for each container or log. Dark is ordinary; the limit, 1, is in the middle of the scale.', 'none', panel.query('topk(50, max by (instance, subject) (anomaly_score{@, %s}))' % some, '{{subject}} on {{instance}}'), w=24, h=10),
    ],
    [
      panel.lines('Highest scores', 'The ten that are furthest from their normal, with the limit.', 'none', [
        panel.query('topk(10, max by (instance, subject) (anomaly_score{@, %s}))' % some, '{{subject}} on {{instance}}'),
      ], min=0, fill=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.bars('Worst contributions', 'The signals that add most to the score of their container or log.', 'none', [
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
