// One host: its score and contributions, each signal with its expected value, and the raw metrics.
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
    panel.stat('State', 'Whether the host has an anomaly. No value during the warm-up.', 'none', [
      panel.query('is_anomaly{@, kind="host"}', 'state'),
    ], thresholds=panel.none, graph='none', mappings=panel.words([['0', 'Normal', 'green'], ['1', 'Anomalous', 'red']])),
    panel.stat('Score', 'How unusual the host is; 1 is the unusual level, 2 the alert level by default.', 'none', [
      panel.query('anomaly_score{@, kind="host"}', 'score'),
    ], thresholds=panel.score, decimals=2),
    panel.stat('Detectors agree', 'Share of voting detectors that agree with the majority.', 'percentunit', [
      panel.query('anomaly_confidence_ratio{@, kind="host"}', 'agree'),
    ], decimals=0),
    panel.stat('Anomalies', 'Anomalies that started in the selected time range.', 'short', [
      panel.now('ceil(changes(is_anomaly{@, kind="host"}[$__range]) / 2)', 'anomalies'),
    ], graph='none', decimals=0),
    panel.stat('Known for', 'Time since the first score of this host. The threshold is higher on a new host.', 's', [
      panel.query('time() - (anomaly_ready_timestamp_seconds{@, kind="host"} and anomaly_ready{@, kind="host"} == 1)', 'known'),
    ], graph='none', decimals=0),
    panel.stat('Uptime', 'Time since boot.', 's', [
      panel.query('hostnorm_host_uptime_seconds{@}', 'up'),
    ], graph='none', decimals=0),
  ]];

  local score = [[
    panel.lines(
      'Score',
      'How unusual the host is, with the unusual level. The shadow score comes from the shadow model and has no effect.',
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
      'Contributions to the score',
      'The largest contributions, stacked; they add up to the score. A negative one lowers the score.',
      'none',
      [panel.query('sum by (signal, direction) (anomaly_contribution{@, kind="host"})', '{{signal}} {{direction}}')],
      stack=true,
      // Only the largest are exported, so series come and go; lines would connect separate periods.
      style='bars'
    ) + { maxDataPoints: 200 },
  ]];

  local signals = [[
    panel.states(
      'Signals in and out of their normal range',
      'Distance of each signal from its expected value, in half widths of its normal range. Green is inside, blue below, orange above, red twice as far.',
      'none',
      panel.query(flat(distance), '{{signal}}'),
      w=13,
      h=18,
      thresholds=range
    ),
    [
      panel.table(
        'Baseline',
        'Value, expected value and normal range of each signal, in the unit at the end of its name.',
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
        'Score of each detector, with the threshold at 1, and its vote. Detectors that abstain are not shown; some have no vote.',
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

  local who = [[
    panel.lines(
      'Work that waits',
      'Part of the work that waits for each resource (impact), with its usual value as a dashed line. An anomaly without waiting work is unusual, but slows nothing down yet.',
      'percentunit',
      [
        panel.query('anomaly_impact_ratio{@, kind="host"}', '{{resource}}'),
        panel.query('anomaly_impact_expected_ratio{@, kind="host"}', '{{resource}} usually'),
      ],
      w=13,
      fill=0,
      min=0
    )
    + panel.override('/usually/', { 'custom.lineStyle': { fill: 'dash', dash: [4, 6] } }),
    panel.table(
      'Processes whose use grew most',
      'The processes whose use of a deviating resource grew most over their usual use during the anomalies of the time range, with the container or service of each.',
      'none',
      [panel.rows('max by (resource, rank, culprit_kind, culprit) (max_over_time(anomaly_culprit_info{@, kind="host"}[$__range]))')],
      [['resource', 'Resource'], ['rank', 'Rank'], ['culprit_kind', 'Kind'], ['culprit', 'Name']],
      w=11,
      sort='Resource',
      descending=false
    ),
  ]];

  // One panel for each signal, grouped by unit, because a panel has one unit.
  local band = function(variable, title, description, unit)
    local of = function(name) panel.query('%s{@, kind="host", signal=~"$%s"}' % [name, variable]);
    panel.band('$' + variable, description, unit, [
      of('anomaly_lower_bound'),
      of('anomaly_upper_bound'),
      of('anomaly_expected'),
      of('anomaly_signal'),
    ]) + panel.repeated(variable);
  local bands = [
    [band('ratio', 'Shares', 'Mean over the window, with the expected value and the normal range.', 'percentunit')],
    [band('bytes', 'Bytes', 'Mean over the window, with the expected value and the normal range.', 'Bps')],
    [band('number', 'Numbers', 'Mean over the window, with the expected value and the normal range.', 'short')],
  ];

  local detectors = [
    [
      panel.lines('Detector scores', 'Score of each detector, with the threshold at 1.', 'none', [
        panel.query('anomaly_detector_score{@, kind="host", model!="shadow"}', '{{detector}}'),
      ], w=12, fill=0, min=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.states(
        'Votes',
        'Detectors that vote for an anomaly.',
        'none',
        panel.query('anomaly_detector_vote{@, kind="host"}', '{{detector}}'),
        thresholds=panel.none,
        mappings=panel.words([['0', 'normal', 'rgba(115, 191, 105, 0.22)'], ['1', 'anomaly', 'red']])
      ),
    ],
    [
      panel.lines('Drift', 'Change of each signal since the model was trained; from 1 on the model is retrained. The ten signals that changed most.', 'none', [
        panel.query('topk(10, sum by (signal) (anomaly_drift_score{@, kind="host"}))', '{{signal}}'),
      ], w=8, fill=0, min=0, thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
      panel.states(
        'Grace, maintenance and silences',
        'Reasons for grace, maintenance windows, and a silence of Alertmanager. During grace and maintenance an anomaly starts only at a score of 2.',
        'none',
        panel.query('hostnorm_grace_active{@} or label_join(hostnorm_maintenance_active{@}, "reason", "", "name") or label_replace(hostnorm_silenced{@, kind="host"}, "reason", "silenced", "", "")', '{{reason}}'),
        w=8,
        thresholds=panel.none,
        mappings=panel.words([['0', 'no', 'rgba(115, 191, 105, 0.22)'], ['1', 'active', 'purple']])
      ),
      panel.table(
        'Absent signals',
        'Signals that no longer change or are missing.',
        'none',
        [panel.rows('sum by (signal, absence) (anomaly_absent_signal{@, kind="host"})')],
        [['signal', 'Signal'], ['absence', 'How']],
        w=8
      ),
    ],
    [
      panel.lines('Time until full', 'When the memory is full, or the first filesystem has no space or no inodes left, at the earliest and likely. No value while nothing fills up.', 's', [
        panel.query('anomaly_forecast_full_seconds{@, kind="host"}', '{{signal}} {{bound}}'),
      ], w=24, fill=0, min=0),
    ],
  ];

  local signal = function(name, label, match) board.variable(name, label, 'anomaly_signal{@, kind="host", %s}' % match, of='signal', listed=true);

  board.dashboard(
    'host',
    'One host: its score and contributions, its signals with their expected values, and its raw metrics.',
    [
      board.row('', now),
      board.row('', score),
      board.row('', signals),
      board.row('', who),
      board.row('Signals with their expected values', bands, collapsed=true),
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
      board.annotation('Trainings', '1000 * hostnorm_model_trained_timestamp_seconds{@, kind="host"}', 'purple', 'Model', 'A new model was trained.', enable=false, atValue=true),
    ]
  )
