// One host: its score, what it is made of, each signal with what was expected of it, and the raw resources.
local raw = import 'host_raw.libsonnet';
local panel = import 'panel.libsonnet';

function(config, board)
  local distance = |||
    (anomaly_signal{@, kind="host"} - anomaly_expected{@, kind="host"})
    / ((anomaly_upper_bound{@, kind="host"} - anomaly_lower_bound{@, kind="host"}) / 2)
  |||;
  local flat = function(expr) std.strReplace(std.stripChars(expr, '\n'), '\n', ' ');
  local range = panel.steps([[null, 'blue'], [-1, 'rgba(115, 191, 105, 0.22)'], [1, 'orange'], [2, 'red']]);

  local now = [[
    panel.stat('State', 'Whether the host is in an anomaly. Without a value it is still learning.', 'none', [
      panel.query('is_anomaly{@, kind="host"}', 'state'),
    ], thresholds=panel.none, graph='none', mappings=panel.words([['0', 'Normal', 'green'], ['1', 'Anomalous', 'red']])),
    panel.stat('Score', 'How unusual the host is: 1 is the limit.', 'none', [
      panel.query('anomaly_score{@, kind="host"}', 'score'),
    ], thresholds=panel.score, decimals=2),
    panel.stat('Detectors agree', 'Share of the voting detectors that agree with their majority.', 'percentunit', [
      panel.query('anomaly_confidence_ratio{@, kind="host"}', 'agree'),
    ], decimals=0),
    panel.stat('Anomalies', 'Anomalies that began in the time that is shown.', 'short', [
      panel.now('ceil(changes(is_anomaly{@, kind="host"}[$__range]) / 2)', 'anomalies'),
    ], graph='none', decimals=0),
    panel.stat('Known for', 'Time since the first score of this host. Limits are wider on the first day.', 's', [
      panel.query('time() - (anomaly_ready_at_timestamp_seconds{@, kind="host"} and anomaly_ready{@, kind="host"} == 1)', 'known'),
    ], graph='none', decimals=0),
    panel.stat('Up for', 'Time since the machine was started.', 's', [
      panel.query('hostnorm_uptime_seconds{@}', 'up'),
    ], graph='none', decimals=0),
  ]];

  local score = [[
    panel.lines(
      'Score',
      'How unusual the host is, with the limit. A shadow is a new model on trial that has no say.',
      'none',
      [
        panel.query('anomaly_score{@, kind="host"}', 'score'),
        panel.query('anomaly_shadow_score{@, kind="host"}', 'shadow'),
      ],
      min=0,
      fill=12,
      thresholds=panel.steps([[null, 'transparent'], [1, 'red']])
    )
    + panel.override('score', { color: { mode: 'fixed', fixedColor: 'orange' } })
    + panel.override('shadow', { color: { mode: 'fixed', fixedColor: 'purple' } }),
    panel.lines(
      'What the score is made of',
      'The largest contributions, on top of each other; they add up to the score. One below zero speaks against an anomaly.',
      'none',
      [panel.query('sum by (signal, direction) (anomaly_contribution{@, kind="host"})', '{{signal}} {{direction}}')],
      stack=true,
      // Only the largest are exported, so that they come and go: lines would join what does not belong together.
      style='bars'
    ) + { maxDataPoints: 200 },
  ]];

  local signals = [[
    panel.states(
      'Signals in and out of their range',
      'Distance of each signal from what was expected, in half widths of its expected range. Green is inside, blue below, orange above, red twice as far.',
      'none',
      panel.query(flat(distance), '{{signal}}'),
      w=13,
      h=18,
      thresholds=range
    ),
    [
      panel.table(
        'Baseline',
        'What each signal is, what is expected of it, and between which bounds it is ordinary. Values are in the unit that the name ends in.',
        'short',
        [
          panel.rows('sum by (signal) (anomaly_signal{@, kind="host"})'),
          panel.rows('sum by (signal) (anomaly_expected{@, kind="host"})'),
          panel.rows('sum by (signal) (anomaly_lower_bound{@, kind="host"})'),
          panel.rows('sum by (signal) (anomaly_upper_bound{@, kind="host"})'),
          panel.rows('sum by (signal) (%s)' % flat(distance)),
        ],
        [['signal', 'Signal'], ['Value #A', 'Value'], ['Value #B', 'Expected'], ['Value #C', 'Lower'], ['Value #D', 'Upper'], ['Value #E', 'Distance']],
        w=11,
        h=10,
        sort='Distance'
      )
      + panel.override('Signal', { 'custom.width': 230 })
      + panel.override('Distance', { unit: 'none', decimals: 1, thresholds: range, 'custom.cellOptions': { type: 'color-text' } })
      + panel.override('/Value|Expected|Lower|Upper/', { decimals: 2 }),
      panel.table(
        'Detectors',
        'What each detector says, with its limit at 1, and whether it votes for an anomaly. Detectors that abstain are left out; some have no vote.',
        'none',
        [
          panel.rows('sum by (detector) (anomaly_detector_score{@, kind="host", model!="shadow"})'),
          panel.rows('sum by (detector) (anomaly_detector_vote{@, kind="host"})'),
          panel.rows('sum by (detector) (anomaly_detector_score{@, kind="host", model="shadow"})'),
        ],
        [['detector', 'Detector'], ['Value #A', 'Score'], ['Value #B', 'Vote'], ['Value #C', 'Shadow']],
        w=11,
        h=8,
        sort='Score'
      )
      + panel.override('/Score|Shadow/', { decimals: 2, thresholds: panel.score, 'custom.cellOptions': { type: 'color-text' } })
      + panel.override('Vote', {
        mappings: panel.words([['0', 'normal', 'green'], ['1', 'anomaly', 'red']]),
        'custom.cellOptions': { type: 'color-text' },
      }),
    ],
  ]];

  // One panel for each signal of a unit, as one panel has one unit.
  local band = function(variable, title, description, unit)
    local of = function(name) panel.query('%s{@, kind="host", signal=~"$%s"}' % [name, variable]);
    panel.band('$' + variable, description, unit, [
      of('anomaly_lower_bound'),
      of('anomaly_upper_bound'),
      of('anomaly_expected'),
      of('anomaly_signal'),
    ]) + panel.repeated(variable);
  local bands = [
    [band('ratio', 'Shares', 'Mean over the window, with the expected value and the range in which it is ordinary.', 'percentunit')],
    [band('bytes', 'Bytes', 'Mean over the window, with the expected value and the range in which it is ordinary.', 'Bps')],
    [band('number', 'Numbers', 'Mean over the window, with the expected value and the range in which it is ordinary.', 'short')],
  ];

  local detectors = [
    [
      panel.lines('Detector scores', 'What each detector says, with its limit at 1.', 'none', [
        panel.query('anomaly_detector_score{@, kind="host", model!="shadow"}', '{{detector}}'),
      ], w=12, fill=0, min=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.states(
        'Votes',
        'Which detectors vote for an anomaly.',
        'none',
        panel.query('anomaly_detector_vote{@, kind="host"}', '{{detector}}'),
        thresholds=panel.none,
        mappings=panel.words([['0', 'normal', 'rgba(115, 191, 105, 0.22)'], ['1', 'anomaly', 'red']])
      ),
    ],
    [
      panel.lines('Drift', 'How far the ordinary of each signal has moved since the model was trained; 1 is the limit. The ten that moved most.', 'none', [
        panel.query('topk(10, sum by (signal) (anomaly_drift_ratio{@, kind="host"}))', '{{signal}}'),
      ], w=8, fill=0, min=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.states(
        'Reasons to hold back',
        'While one of these is there, only scores of twice the limit are anomalies.',
        'none',
        panel.query('anomaly_grace_active{@}', '{{reason}}'),
        w=8,
        thresholds=panel.none,
        mappings=panel.words([['0', 'no', 'rgba(115, 191, 105, 0.22)'], ['1', 'holds back', 'purple']])
      ),
      panel.table(
        'Signals that ceased',
        'Signals that used to move or to be there and do no more. Empty when all do.',
        'none',
        [panel.rows('sum by (signal, absence) (anomaly_absent_signal{@, kind="host"})')],
        [['signal', 'Signal'], ['absence', 'How']],
        w=8
      ),
    ],
  ];

  local signal = function(name, label, match) board.variable(name, label, 'anomaly_signal{@, kind="host", %s}' % match, of='signal', listed=true);

  board.dashboard(
    'host',
    'One host: its score, what it is made of, what was expected, and the raw resources.',
    [
      board.row('', now),
      board.row('', score),
      board.row('', signals),
      board.row('Signals and what was expected of them', bands, collapsed=true),
    ]
    + raw(board)
    + [board.row('Detectors, drift and grace', detectors, collapsed=true)],
    oneInstance=true,
    variables=[
      signal('ratio', 'Shares', 'signal=~".+_ratio"'),
      signal('bytes', 'Bytes', 'signal=~".+_bytes_per_second"'),
      signal('number', 'Numbers', 'signal!~".+_(ratio|bytes_per_second)"'),
    ],
    annotations=[
      board.annotation('Anomalies', 'anomaly_episode_info{@, kind="host"}', 'red', 'Anomaly', '{{description}}'),
      board.annotation('Alerts', 'ALERTS{@, alertstate="firing", alertname=~"%s"}' % config.dashboardAlerts, 'orange', '{{alertname}}', '{{severity}}', enable=false),
      board.annotation('Deploys', '1000 * hostnorm_deploy_marker_timestamp_seconds{@}', 'blue', 'Deploy', 'The deploy marker was touched.', atValue=true),
      board.annotation('Trainings', '1000 * hostnorm_model_trained_timestamp_seconds{@, kind="host"}', 'purple', 'Model', 'A new model was put to use.', enable=false, atValue=true),
    ]
  )
