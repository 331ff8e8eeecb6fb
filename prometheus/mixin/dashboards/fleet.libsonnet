// All hosts: which have an anomaly, since when, and why.
local panel = import 'panel.libsonnet';

function(config, board)
  local hosts = 'kind="host"';
  local anomalous = 'on (job, instance) is_anomaly{@, kind="host"} == 1';
  local host = function(field) board.host('${__data.fields.%s}' % field);

  local now = [[
    panel.stat('Hosts', 'Hosts with a running hostnorm that Prometheus can scrape.', 'short', [
      panel.query('count(hostnorm_build_info{@})', 'hosts'),
    ]),
    panel.stat('Anomalous now', 'Hosts with an anomaly.', 'short', [
      panel.query('sum(is_anomaly{@, kind="host"})', 'anomalous'),
    ], thresholds=panel.none),
    panel.stat('Share anomalous', 'Share of hosts with an anomaly. A large share points to a shared cause.', 'percentunit', [
      panel.query('avg(is_anomaly{@, kind="host"})', 'share'),
    ], thresholds=panel.steps([[null, 'green'], [0.1, 'yellow'], [0.3, 'red']]), decimals=0),
    panel.stat('Highest score', 'Highest score of any host; 1 is the unusual level, 2 the alert level by default.', 'none', [
      panel.query('max(anomaly_score{@, kind="host"})', 'score'),
    ], thresholds=panel.score, decimals=2),
    panel.stat('Learning', 'Hosts without a score, because they are still warming up.', 'short', [
      panel.query('sum(1 - anomaly_ready{@, kind="host"})', 'learning'),
    ], thresholds=panel.steps([[null, 'green'], [1, 'blue']])),
    panel.stat('Down', 'Targets of the job that Prometheus cannot scrape.', 'short', [
      panel.query('sum(1 - up{@})', 'down'),
    ], thresholds=panel.none),
  ]];

  local worst = [
    [
      panel.heat(
        'Scores',
        'One row for each host. Dark is normal; the unusual level, 1, is in the middle of the scale.',
        'none',
        panel.query('max by (instance) (anomaly_score{@, kind="host"})', '{{instance}}'),
        w=14,
        h=9
      ),
      panel.table(
        'Anomalous now',
        'Hosts with an anomaly, highest score first, with the description and the share of detectors that agree. The duration requires the alerting rules. Click a host to open its dashboard.',
        'none',
        [
          panel.rows('max by (instance) (anomaly_score{@, kind="host"} and ' + anomalous + ')'),
          panel.rows('max by (instance) (anomaly_confidence_ratio{@, kind="host"} and ' + anomalous + ')'),
          panel.rows('max by (instance) (time() - subject:is_anomaly:start_timestamp_seconds{@, kind="host"} and ' + anomalous + ')'),
          panel.rows('max by (instance, description) (anomaly_episode_info{@, kind="host"})'),
        ],
        [['instance', 'Host'], ['Value #A', 'Score'], ['Value #C', 'For'], ['description', 'Description'], ['Value #B', 'Agree']],
        w=10,
        h=9,
        sort='Score'
      )
      + panel.override('Host', { 'custom.width': 120, links: [{ title: 'Open this host', url: host('Host'), targetBlank: false }] })
      + panel.override('Score', { decimals: 2, 'custom.width': 80, thresholds: panel.score, 'custom.cellOptions': { type: 'color-text' } })
      + panel.override('Agree', { unit: 'percentunit', decimals: 0, 'custom.width': 70 })
      + panel.override('For', { unit: 's', decimals: 0, 'custom.width': 90 }),
    ],
    [
      panel.bars(
        'Largest contributions',
        'The signals that contribute most to the score of their host. The contributions of a host add up to its score.',
        'none',
        [panel.now('topk(10, max by (instance, signal, direction) (anomaly_contribution{@, kind="host"}))', '{{instance}}  {{signal}} {{direction}}')],
        w=10,
        h=9,
        thresholds=panel.steps([[null, 'blue'], [0.3, 'yellow'], [0.7, 'red']]),
        decimals=2
      ),
      panel.table(
        'Order of start',
        'Start of the first anomaly of each host in the selected time range, earliest first: shows where a problem that spread came from.',
        'dateTimeAsIso',
        [
          panel.rows('sort(1000 * min by (instance) (min_over_time((timestamp(is_anomaly{@, kind="host"}) and is_anomaly{@, kind="host"} == 1)[$__range:$__interval])))'),
          panel.rows('max by (instance) (max_over_time(anomaly_score{@, kind="host"}[$__range]) and on (job, instance) max_over_time(is_anomaly{@, kind="host"}[$__range]) == 1)'),
        ],
        [['instance', 'Host'], ['Value #A', 'First start'], ['Value #B', 'Highest score']],
        w=7,
        h=9,
        sort='First start',
        descending=false
      )
      + panel.override('Host', { 'custom.width': 120, links: [{ title: 'Open this host', url: host('Host'), targetBlank: false }] })
      + panel.override('Highest score', { unit: 'none', decimals: 2, thresholds: panel.score, 'custom.cellOptions': { type: 'color-text' } }),
      panel.table(
        'Alerts',
        'Pending and firing alerts of hostnorm. Empty without the alerting rules.',
        'none',
        [panel.rows('ALERTS{alertname=~"%s"}' % config.dashboardAlerts)],
        [['alertname', 'Alert'], ['instance', 'Host'], ['severity', 'Severity'], ['alertstate', 'State']],
        w=7,
        h=9,
        sort='State',
        descending=false
      )
      + panel.override('State', {
        mappings: panel.words([['firing', 'firing', 'red'], ['pending', 'pending', 'yellow']]),
        'custom.cellOptions': { type: 'color-text' },
      }),
    ],
  ];

  local trend = [[
    panel.lines(
      'Hosts by score',
      'Number of hosts by score.',
      'short',
      [
        panel.query('count(anomaly_score{@, kind="host"} >= 1) or 0 * count(anomaly_score{@, kind="host"})', 'above the unusual level'),
        panel.query('count(anomaly_score{@, kind="host"} >= 0.7 < 1) or 0 * count(anomaly_score{@, kind="host"})', 'near the unusual level'),
        panel.query('count(anomaly_score{@, kind="host"} < 0.7) or 0 * count(anomaly_score{@, kind="host"})', 'normal'),
      ],
      stack=true,
      min=0
    )
    + panel.override('above the unusual level', { color: { mode: 'fixed', fixedColor: 'red' } })
    + panel.override('near the unusual level', { color: { mode: 'fixed', fixedColor: 'yellow' } })
    + panel.override('normal', { color: { mode: 'fixed', fixedColor: 'green' } }),
    panel.lines(
      'Highest scores',
      'The ten hosts with the highest scores, with the unusual level.',
      'none',
      [panel.query('topk(10, max by (instance) (anomaly_score{@, kind="host"}))', '{{instance}}')],
      min=0,
      fill=0,
      thresholds=panel.steps([[null, 'transparent'], [1, 'red']])
    ),
  ]];

  local peers = [[
    panel.lines(
      'The signal on each host',
      'Mean over the window of the signal selected above, in the unit at the end of its name, on the ten hosts with the highest values.',
      'short',
      [panel.query('topk(10, max by (instance) (anomaly_signal{@, kind="host", signal="$signal"}))', '{{instance}}')],
      w=8,
      fill=0
    ),
    panel.lines(
      'Distance from the expected value',
      'Distance of the same signal from its expected value, in half widths of its normal range: below -1 or above 1, the value is outside the range. A value may be unusual for a host but not among its peers, or the other way round.',
      'none',
      [panel.query('topk(10, max by (instance) ((anomaly_signal{@, kind="host", signal="$signal"} - anomaly_expected{@, kind="host", signal="$signal"}) / ((anomaly_upper_bound{@, kind="host", signal="$signal"} - anomaly_lower_bound{@, kind="host", signal="$signal"}) / 2)))', '{{instance}}')],
      w=8,
      fill=0,
      thresholds=panel.steps([[null, 'transparent'], [1, 'red']])
    ),
    panel.table(
      'Far from their peers',
      'Hosts with a signal far from the median of the hosts of their job, as a multiple of the spread among these hosts. Requires the recording rules and at least five hosts.',
      'none',
      [panel.rows('topk(20, max by (instance, signal) (host_signal:anomaly_signal:peer_deviation{@, kind="host"}))')],
      [['instance', 'Host'], ['signal', 'Signal'], ['Value', 'Deviations']],
      w=8,
      sort='Deviations'
    )
    + panel.override('Deviations', { decimals: 1 }),
  ]];

  local notes = [[
    panel.text('How to read this', |||
      **Score**: how unusual the host is *for this host at this time of day*. Below 1 is normal. From 1 on, the host is unusual. From 2 on, or from a lower score on a new host, that is worth an alert. The score shown is the highest of the last minute, so no scrape misses a spike.

      **Contribution**: the part of the score that comes from one signal. Contributions add up to the score; a negative one lowers it.

      **Anomalous**: from the first score of 1 until the score was below 0.7 for 30 seconds. A state that lasts six hours is accepted as normal.

      Hosts that are warming up have no score and no row. Click a host to see which signals left their normal range, and when.
    |||, h=5),
  ]];

  board.dashboard(
    'fleet',
    'Which hosts have an anomaly, since when, and why.',
    [
      board.row('', now),
      board.row('', worst),
      board.row('Over time', trend),
      board.row('One signal on all hosts', peers, collapsed=true),
      board.row('How to read this', notes, collapsed=true),
    ],
    variables=[board.variable('signal', 'Signal', 'anomaly_signal{@, kind="host"}', one=true)],
    annotations=[
      board.annotation(
        'Fleet alerts',
        'ALERTS{alertname="FleetAnomalous", alertstate="firing"}',
        'red',
        '{{alertname}}',
        'Many hosts have an anomaly at once.'
      ),
    ]
  )
