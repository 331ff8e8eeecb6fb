// All hosts at a glance: which are anomalous now, since when, and why.
local panel = import 'panel.libsonnet';

function(config, board)
  local hosts = 'kind="host"';
  local anomalous = 'on (job, instance) is_anomaly{@, kind="host"} == 1';
  local host = function(field) board.host('${__data.fields.%s}' % field);

  local now = [[
    panel.stat('Hosts', 'Hosts that hostnorm watches and Prometheus reaches.', 'short', [
      panel.query('count(hostnorm_build_info{@})', 'hosts'),
    ]),
    panel.stat('Anomalous now', 'Hosts that are in an anomaly.', 'short', [
      panel.query('sum(is_anomaly{@, kind="host"})', 'anomalous'),
    ], thresholds=panel.none),
    panel.stat('Share anomalous', 'Share of the hosts that are in an anomaly. A large share points at something they have in common.', 'percentunit', [
      panel.query('avg(is_anomaly{@, kind="host"})', 'share'),
    ], thresholds=panel.steps([[null, 'green'], [0.1, 'yellow'], [0.3, 'red']]), decimals=0),
    panel.stat('Highest score', 'The score of the host that is furthest from its normal; 1 is the limit on every host.', 'none', [
      panel.query('max(anomaly_score{@, kind="host"})', 'score'),
    ], thresholds=panel.score, decimals=2),
    panel.stat('Learning', 'Hosts that are not known well enough for a score.', 'short', [
      panel.query('sum(1 - anomaly_ready{@, kind="host"})', 'learning'),
    ], thresholds=panel.steps([[null, 'green'], [1, 'blue']])),
    panel.stat('Not reached', 'Targets of the job that Prometheus cannot scrape.', 'short', [
      panel.query('sum(1 - up{@})', 'down'),
    ], thresholds=panel.none),
  ]];

  local worst = [
    [
      panel.heat(
        'Scores',
        'One row for each host. Dark is ordinary; the limit, 1, is in the middle of the scale.',
        'none',
        panel.query('max by (instance) (anomaly_score{@, kind="host"})', '{{instance}}'),
        w=14,
        h=9
      ),
      panel.table(
        'Anomalous now',
        'Hosts with an anomaly, the highest score first, with its description and the share of the detectors that agree. The duration needs the shipped rules. A click on the host opens its dashboard.',
        'none',
        [
          panel.rows('max by (instance) (anomaly_score{@, kind="host"} and ' + anomalous + ')'),
          panel.rows('max by (instance) (anomaly_confidence_ratio{@, kind="host"} and ' + anomalous + ')'),
          panel.rows('max by (instance) (time() - subject:is_anomaly:onset_timestamp_seconds{@, kind="host"} and ' + anomalous + ')'),
          panel.rows('max by (instance, description) (anomaly_episode_info{@, kind="host"})'),
        ],
        [['instance', 'Host'], ['Value #A', 'Score'], ['Value #C', 'For'], ['description', 'Description'], ['Value #B', 'Agree']],
        w=10,
        h=9,
        sort='Score'
      )
      + panel.override('Host', { 'custom.width': 120, links: [{ title: 'Look at this host', url: host('Host'), targetBlank: false }] })
      + panel.override('Score', { decimals: 2, 'custom.width': 80, thresholds: panel.score, 'custom.cellOptions': { type: 'color-text' } })
      + panel.override('Agree', { unit: 'percentunit', decimals: 0, 'custom.width': 70 })
      + panel.override('For', { unit: 's', decimals: 0, 'custom.width': 90 }),
    ],
    [
      panel.bars(
        'Worst contributions',
        'The signals that add most to the score of their host. The contributions of a host add up to its score.',
        'none',
        [panel.now('topk(10, max by (instance, signal, direction) (anomaly_contribution{@, kind="host"}))', '{{instance}}  {{signal}} {{direction}}')],
        w=10,
        h=9,
        thresholds=panel.steps([[null, 'blue'], [0.3, 'yellow'], [0.7, 'red']]),
        decimals=2
      ),
      panel.table(
        'Order of onset',
        'When each host became anomalous first in the time that is shown, the earliest at the top: where a trouble that spread came from.',
        'dateTimeAsIso',
        [
          panel.rows('sort(1000 * min by (instance) (min_over_time((timestamp(is_anomaly{@, kind="host"}) and is_anomaly{@, kind="host"} == 1)[$__range:$__interval])))'),
          panel.rows('max by (instance) (max_over_time(anomaly_score{@, kind="host"}[$__range]) and on (job, instance) max_over_time(is_anomaly{@, kind="host"}[$__range]) == 1)'),
        ],
        [['instance', 'Host'], ['Value #A', 'First onset'], ['Value #B', 'Highest score']],
        w=7,
        h=9,
        sort='First onset',
        descending=false
      )
      + panel.override('Host', { 'custom.width': 120, links: [{ title: 'Look at this host', url: host('Host'), targetBlank: false }] })
      + panel.override('Highest score', { unit: 'none', decimals: 2, thresholds: panel.score, 'custom.cellOptions': { type: 'color-text' } }),
      panel.table(
        'Alerts',
        'Alerts of the shipped rules that are pending or firing. Empty without these rules, and when all is well.',
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
      'How many hosts are how far from their normal.',
      'short',
      [
        panel.query('count(anomaly_score{@, kind="host"} >= 1) or 0 * count(anomaly_score{@, kind="host"})', 'at the limit or above'),
        panel.query('count(anomaly_score{@, kind="host"} >= 0.7 < 1) or 0 * count(anomaly_score{@, kind="host"})', 'near the limit'),
        panel.query('count(anomaly_score{@, kind="host"} < 0.7) or 0 * count(anomaly_score{@, kind="host"})', 'ordinary'),
      ],
      stack=true,
      min=0
    )
    + panel.override('at the limit or above', { color: { mode: 'fixed', fixedColor: 'red' } })
    + panel.override('near the limit', { color: { mode: 'fixed', fixedColor: 'yellow' } })
    + panel.override('ordinary', { color: { mode: 'fixed', fixedColor: 'green' } }),
    panel.lines(
      'Highest scores',
      'The ten hosts with the highest scores, with the limit.',
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
      'Mean over the window of the signal that is chosen above, in the unit its name ends in, on the ten hosts where it is highest.',
      'short',
      [panel.query('topk(10, max by (instance) (anomaly_signal{@, kind="host", signal="$signal"}))', '{{instance}}')],
      w=8,
      fill=0
    ),
    panel.lines(
      'Out of its range',
      'The same signal, with its distance from what is expected of the host in half widths of the expected range: beyond -1 and 1 it is outside. What is odd for a host need not be odd among its peers, and the other way round.',
      'none',
      [panel.query('topk(10, max by (instance) ((anomaly_signal{@, kind="host", signal="$signal"} - anomaly_expected{@, kind="host", signal="$signal"}) / ((anomaly_upper_bound{@, kind="host", signal="$signal"} - anomaly_lower_bound{@, kind="host", signal="$signal"}) / 2)))', '{{instance}}')],
      w=8,
      fill=0,
      thresholds=panel.steps([[null, 'transparent'], [1, 'red']])
    ),
    panel.table(
      'Far from their peers',
      'Hosts with a signal that is far from the median of the hosts of their job, in deviations of the peers. From the shipped rules, in fleets that are large enough.',
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
      **Score**: how unusual a host is for *this host at this hour*. 0 is utterly ordinary, 1 is the limit on every host, above it is an anomaly. It is the highest of the last minute, so no scrape misses a spike.

      **Contribution**: what a signal adds to the score of its host. Contributions add up to the score; a negative one speaks against an anomaly.

      **Anomalous**: from the first score of 1 until it was below 0.7 for half a minute. A state that lasts six hours is the new normal.

      Hosts that are still learning have no score and are in no row. Click on a host to see which signals left their range, and when.
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
        'Many hosts are anomalous at once.'
      ),
    ]
  )
