// Logs: how many lines of which severity, which are anomalous, and which kinds of lines are new.
local panel = import 'panel.libsonnet';

function(config, board)
  local some = 'kind="log", subject=~"$subject"';
  local signal(name) = 'max by (instance, subject) (anomaly_signal{@, %s, signal="%s"})' % [some, name];
  local expected(name) = 'max by (instance, subject) (anomaly_expected{@, %s, signal="%s"})' % [some, name];
  // A signal of each log with its expected value.
  local lines(title, description, unit, name) = panel.lines(title, description, unit, [
    panel.query(signal(name), '{{subject}} on {{instance}}'),
    panel.query(expected(name), '{{subject}} on {{instance}}: expected'),
  ], min=0) + panel.override('/expected$/', { 'custom.lineStyle': { dash: [4, 6], fill: 'dash' } });
  local now = [[
    panel.stat('Logs', 'Logs that hostnorm scores.', 'short', [
      panel.query('count(anomaly_ready{@, %s})' % some, 'logs'),
    ], w=6),
    panel.stat('Anomalous now', 'Logs with an anomaly.', 'short', [
      panel.query('sum(is_anomaly{@, %s})' % some, 'anomalous'),
    ], w=6, thresholds=panel.none),
    panel.stat('Highest score', 'Highest score of any log; 1 is unusual, 2 is worth an alert.', 'none', [
      panel.query('max(anomaly_score{@, %s})' % some, 'score'),
    ], w=6, thresholds=panel.score, decimals=2),
    panel.stat('Learning', 'Logs without a score, because they are still warming up.', 'short', [
      panel.query('sum(1 - anomaly_ready{@, %s})' % some, 'learning'),
    ], w=6, thresholds=panel.steps([[null, 'green'], [1, 'blue']])),
  ]];
  local who = [[
    panel.table(
      'Current anomalies of logs',
      'The logs with an anomaly, with the signals and the templates behind it.',
      'none',
      [panel.rows('max by (instance, subject, description) (anomaly_episode_info{@, %s})' % some)],
      [['instance', 'Host'], ['subject', 'Log'], ['description', 'Description']],
      w=24,
      sort='Host',
      descending=false
    )
    + panel.override('Description', { 'custom.width': 900 }),
  ]];
  local rates = [
    [
      lines('Lines', 'Lines a second, dashed the expected value.', 'short', 'log_lines_per_second'),
      lines('Bytes', 'Bytes of lines a second, dashed the expected value.', 'Bps', 'log_bytes_per_second'),
    ],
    [
      lines('Errors', 'Lines a second that are errors or worse, dashed the expected value.', 'short', 'log_errors_per_second'),
      lines('Warnings', 'Lines a second that are warnings, dashed the expected value.', 'short', 'log_warnings_per_second'),
    ],
    [
      lines('Lines of new templates', 'Lines a second whose kind was never seen before the last ten minutes.', 'short', 'log_new_template_lines_per_second'),
      lines('Templates', 'Different kinds of lines within a minute, dashed the expected value.', 'short', 'log_unique_templates'),
    ],
    [
      panel.lines('Scores of logs', 'The ten logs with the highest scores, with the unusual level.', 'none', [
        panel.query('topk(10, max by (instance, subject) (anomaly_score{@, %s}))' % some, '{{subject}} on {{instance}}'),
      ], min=0, fill=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.bars('Largest contributions to logs', 'The signals that contribute most to the score of their log.', 'none', [
        panel.now('topk(10, max by (instance, subject, signal, direction) (anomaly_contribution{@, %s}))' % some, '{{subject}}  {{signal}} {{direction}}'),
      ], w=12, thresholds=panel.steps([[null, 'blue'], [0.3, 'yellow'], [0.7, 'red']]), decimals=2),
    ],
  ];

  board.dashboard(
    'logs',
    'Anomalies of logs: rates, severities and kinds of lines.',
    [board.row('', now), board.row('', who), board.row('', rates)],
    variables=[board.variable('subject', 'Log', 'anomaly_ready{@, kind="log"}')],
    annotations=[board.annotation('Anomalies', 'anomaly_episode_info{@, kind="host"}', 'red', 'Anomaly of the host', '{{description}}', enable=false)]
  )
