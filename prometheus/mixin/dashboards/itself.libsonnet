// hostnorm itself: whether it keeps up, what it costs, and whether its judgement can be trusted.
local panel = import 'panel.libsonnet';

local rate = function(metric, labels='') 'rate(%s{@%s}[$__rate_interval])' % [metric, if labels == '' then '' else ', ' + labels];

function(config, board)
  local stat = function(title, description, unit, expr, thresholds=panel.calm, decimals=null, mappings=[], graph='area')
    panel.stat(title, description, unit, [panel.query(expr, title)], w=4, h=4, thresholds=thresholds, decimals=decimals, mappings=mappings, graph=graph);
  local lines = function(title, description, unit, pairs, w=8, stack=false, min=0, thresholds=null)
    panel.lines(title, description, unit, [panel.query(it[0], it[1]) for it in pairs], w=w, stack=stack, min=min, thresholds=thresholds, fill=4);

  local now = [
    [
      stat('Running', 'Instances that Prometheus reaches.', 'short', 'sum(up{@})'),
      stat('Newest reading', 'Age of the oldest of the newest readings of the instances.', 's', 'max(time() - hostnorm_last_sample_timestamp_seconds{@})', panel.steps([[null, 'green'], [90, 'red']]), decimals=1),
      stat('Readings missed', 'Share of readings that were skipped because the one before took too long.', 'percentunit', 'sum(%s) / (sum(%s) + sum(%s))' % [rate('hostnorm_ticks_missed_total'), rate('hostnorm_ticks_total'), rate('hostnorm_ticks_missed_total')], panel.steps([[null, 'green'], [0.01, 'yellow'], [0.1, 'red']]), decimals=1),
      stat('Collectors failing', 'Collectors that did not give all they have at the newest reading.', 'short', 'sum(1 - hostnorm_collector_success{@})', panel.none),
      stat('Faults found in self-tests', 'Share of the injected faults that the last self-test found, on the instance where it is lowest. The first comes after an hour without an anomaly.', 'percentunit', 'min(hostnorm_selftest_recall_ratio{@})', panel.steps([[null, 'red'], [0.5, 'yellow'], [0.8, 'green']]), decimals=0),
      stat('Store', 'Whether the last write to the store worked, on all instances. Empty where there is no store.', 'none', 'min(hostnorm_store_success{@})', panel.all, mappings=panel.words([['0', 'failing', 'red'], ['1', 'well', 'green']]), graph='none'),
    ],
  ];

  local cost = [
    [
      lines('Readings', 'Readings made in a second, and those that were skipped because the one before took too long.', 'ops', [
        [rate('hostnorm_ticks_total'), '{{instance}} made'],
        [rate('hostnorm_ticks_missed_total'), '{{instance}} missed'],
      ]),
      lines('Time for a reading', 'Mean time that reading, judging, storing and publishing took.', 's', [
        ['%s / %s' % [rate('hostnorm_tick_duration_seconds_sum'), rate('hostnorm_tick_duration_seconds_count')], '{{instance}}'],
      ]),
      lines('Collectors', 'Time that each collector took, on the instance where it is slowest.', 's', [
        ['max by (collector) (hostnorm_collector_duration_seconds{@})', '{{collector}}'],
      ]),
    ],
    [
      lines('Processor', 'Share of one processor that hostnorm takes.', 'percentunit', [[rate('process_cpu_seconds_total'), '{{instance}}']]),
      lines('Memory', 'Resident memory of hostnorm.', 'bytes', [['process_resident_memory_bytes{@}', '{{instance}}']]),
      lines('Open files', 'Share of the file descriptors it may have that are open.', 'percentunit', [['process_open_fds{@} / process_max_fds{@}', '{{instance}}']]),
    ],
  ];

  local judgement = [
    [
      lines('Age of the model', 'Time since the model in use was trained. A host that is known for days gets a new one each day.', 's', [
        ['time() - hostnorm_model_trained_timestamp_seconds{@}', '{{instance}} {{kind}}'],
      ]),
      lines('Trainings', 'Trainings that ended in the hour before, by outcome.', 'short', [
        ['sum by (kind, outcome) (increase(hostnorm_trainings_total{@}[1h]))', '{{kind}} {{outcome}}'],
      ]),
      lines('Quality of the model', 'Area under the ROC curve on held-out points with injected faults, and of an independent implementation; 1 is perfect, 0.5 is chance.', 'none', [
        ['min by (kind, implementation) (hostnorm_model_auc_ratio{@})', '{{kind}} {{implementation}}'],
      ], min=0.4),
    ],
    [
      lines('Self-tests', 'Share of the injected faults that were found.', 'percentunit', [['hostnorm_selftest_recall_ratio{@}', '{{instance}}']]),
      lines('Detectors in self-tests', 'How well each detector tells faulty points from ordinary ones, where it does worst. Below 0.6 it is blind.', 'none', [
        ['min by (detector) (hostnorm_selftest_detector_auc_ratio{@})', '{{detector}}'],
      ], min=0.4, thresholds=panel.steps([[null, 'red'], [0.6, 'transparent']])),
      lines('Drift', 'How far the ordinary has moved since the model was trained, of the signal that moved most; 1 is the limit.', 'none', [
        ['max by (instance, kind) (anomaly_drift_ratio{@})', '{{instance}} {{kind}}'],
      ], thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
    ],
    [
      panel.table('Models', 'The model in use of each instance and kind, how long its training took, and whether learning is on.', 's', [
        panel.rows('max by (instance, kind, model) (hostnorm_model_info{@})'),
        panel.rows('max by (instance, kind) (time() - hostnorm_model_trained_timestamp_seconds{@})'),
        panel.rows('max by (instance, kind) (hostnorm_training_duration_seconds{@})'),
      ], [['instance', 'Instance'], ['kind', 'Kind'], ['model', 'Model'], ['Value #B', 'Age'], ['Value #C', 'Training took']], w=16)
      + panel.override('Age', { decimals: 0 }),
      panel.states('Learning', 'Whether hostnorm learns; off while it was asked not to.', 'none', panel.query('hostnorm_learning{@}', '{{instance}}'), w=8, thresholds=panel.all, mappings=panel.words([['0', 'off', 'yellow'], ['1', 'on', 'green']])),
    ],
  ];

  local keeping = [
    [
      lines('Store', 'Size of what is kept on disk.', 'bytes', [['hostnorm_store_size_bytes{@}', '{{instance}}']]),
      lines('Errors of the store', 'Writes and reads of the store that failed, and rows that were dropped, in a second.', 'ops', [
        ['sum by (instance, operation) (%s)' % rate('hostnorm_store_errors_total'), '{{instance}} {{operation}}'],
        [rate('hostnorm_store_rows_dropped_total'), '{{instance}} rows dropped'],
      ]),
      lines('Age of the last commit', 'Time since the store was written last.', 's', [['time() - hostnorm_store_last_commit_timestamp_seconds{@}', '{{instance}}']]),
    ],
    [
      lines('Scrapes', 'Answers with metrics in a second, by the format that was negotiated.', 'ops', [
        ['sum by (format) (%s)' % rate('hostnorm_scrapes_total'), '{{format}}'],
      ]),
      lines('Dropped', 'Connections refused in a second because too many were open; devices and mounts that are not shown because there are too many.', 'short', [
        [rate('hostnorm_connections_dropped_total'), '{{instance}} connections'],
        ['hostnorm_disk_devices_dropped{@} + hostnorm_network_devices_dropped{@} + hostnorm_filesystem_mounts_dropped{@}', '{{instance}} devices and mounts'],
      ]),
      panel.table('Versions', 'What runs where, since when, and whether its settings were loaded.', 'none', [
        panel.rows('max by (instance, version, revision) (hostnorm_build_info{@})'),
        panel.rows('max by (instance) (time() - process_start_time_seconds{@})'),
        panel.rows('max by (instance) (hostnorm_config_last_reload_successful{@})'),
      ], [['instance', 'Instance'], ['version', 'Version'], ['revision', 'Revision'], ['Value #B', 'Running for'], ['Value #C', 'Settings']], w=8)
      + panel.override('Running for', { unit: 's', decimals: 0 })
      + panel.override('Settings', {
        mappings: panel.words([['0', 'refused', 'red'], ['1', 'loaded', 'green']]),
        'custom.cellOptions': { type: 'color-text' },
      }),
    ],
  ];

  board.dashboard(
    'itself',
    'Whether hostnorm keeps up, what it costs, and whether its judgement can be trusted.',
    [
      board.row('', now),
      board.row('What it costs', cost),
      board.row('Whether to trust its judgement', judgement),
      board.row('Store, scrapes and versions', keeping, collapsed=true),
    ],
    annotations=[
      board.annotation('Starts', '1000 * process_start_time_seconds{@}', 'blue', 'Start', '{{instance}} was started.', enable=false, atValue=true),
    ]
  )
