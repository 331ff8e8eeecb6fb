// hostnorm itself: health, resource usage and quality of detection.
local panel = import 'panel.libsonnet';

local rate = function(metric, labels='') 'rate(%s{@%s}[$__rate_interval])' % [metric, if labels == '' then '' else ', ' + labels];

function(config, board)
  local stat = function(title, description, unit, expr, thresholds=panel.calm, decimals=null, mappings=[], graph='area')
    panel.stat(title, description, unit, [panel.query(expr, title)], w=4, h=4, thresholds=thresholds, decimals=decimals, mappings=mappings, graph=graph);
  local lines = function(title, description, unit, pairs, w=8, stack=false, min=0, thresholds=null)
    panel.lines(title, description, unit, [panel.query(it[0], it[1]) for it in pairs], w=w, stack=stack, min=min, thresholds=thresholds, fill=4);

  local now = [
    [
      stat('Running', 'Instances that Prometheus can scrape.', 'short', 'sum(up{@})'),
      stat('Age of the last reading', 'Time since the last reading, on the instance where it is oldest.', 's', 'max(time() - hostnorm_last_reading_timestamp_seconds{@})', panel.steps([[null, 'green'], [90, 'red']]), decimals=1),
      stat('Readings missed', 'Share of readings skipped because the previous one took too long.', 'percentunit', 'sum(%s) / (sum(%s) + sum(%s))' % [rate('hostnorm_ticks_missed_total'), rate('hostnorm_ticks_total'), rate('hostnorm_ticks_missed_total')], panel.steps([[null, 'green'], [0.01, 'yellow'], [0.1, 'red']]), decimals=1),
      stat('Collectors failing', 'Collectors that failed in the last reading.', 'short', 'sum(1 - hostnorm_collector_success{@})', panel.none),
      stat('Faults found in self-tests', 'Share of injected faults that the last self-test found, on the instance where it is lowest. The first self-test runs after an hour without an anomaly.', 'percentunit', 'min(hostnorm_selftest_recall_ratio{@})', panel.steps([[null, 'red'], [0.5, 'yellow'], [0.8, 'green']]), decimals=0),
      stat('Store', 'Whether the last write to the store succeeded, on all instances. Empty without a store.', 'none', 'min(hostnorm_store_success{@})', panel.all, mappings=panel.words([['0', 'failing', 'red'], ['1', 'ok', 'green']]), graph='none'),
    ],
  ];

  local cost = [
    [
      lines('Readings', 'Readings per second, and readings skipped because the previous one took too long.', 'ops', [
        [rate('hostnorm_ticks_total'), '{{instance}} made'],
        [rate('hostnorm_ticks_missed_total'), '{{instance}} missed'],
      ]),
      lines('Duration of a tick', 'Mean duration of a tick: reading, judging, storing and publishing.', 's', [
        ['%s / %s' % [rate('hostnorm_tick_duration_seconds_sum'), rate('hostnorm_tick_duration_seconds_count')], '{{instance}}'],
      ]),
      lines('Collectors', 'Duration of each collector, on the instance where it is slowest.', 's', [
        ['max by (collector) (hostnorm_collector_duration_seconds{@})', '{{collector}}'],
      ]),
    ],
    [
      lines('CPU', 'CPU usage of hostnorm; 100 % is one CPU.', 'percentunit', [[rate('process_cpu_seconds_total'), '{{instance}}']]),
      lines('Memory', 'Resident memory of hostnorm.', 'bytes', [['process_resident_memory_bytes{@}', '{{instance}}']]),
      lines('Open files', 'Share of the file descriptor limit in use.', 'percentunit', [['process_open_fds{@} / process_max_fds{@}', '{{instance}}']]),
    ],
  ];

  local detection = [
    [
      lines('Age of the model', 'Time since the model in use was trained. By default a new model is trained daily.', 's', [
        ['time() - hostnorm_model_trained_timestamp_seconds{@}', '{{instance}} {{kind}}'],
      ]),
      lines('Trainings', 'Trainings completed in the last hour, by outcome.', 'short', [
        ['sum by (kind, outcome) (increase(hostnorm_trainings_total{@}[1h]))', '{{kind}} {{outcome}}'],
      ]),
      lines('Quality of the model', 'Area under the ROC curve on held-out points with injected faults, of the model and of an independent implementation. 1 is perfect, 0.5 is chance.', 'none', [
        ['min by (kind, implementation) (hostnorm_training_auc_ratio{@})', '{{kind}} {{implementation}}'],
      ], min=0.4),
    ],
    [
      lines('Self-tests', 'Share of injected faults that the last self-test found.', 'percentunit', [['hostnorm_selftest_recall_ratio{@}', '{{instance}}']]),
      lines('Detectors in self-tests', 'Area under the ROC curve of each detector in the last self-test, on the instance where it is lowest. Below 0.6 the detector is blind.', 'none', [
        ['min by (detector) (hostnorm_selftest_detector_auc_ratio{@})', '{{detector}}'],
      ], min=0.4, thresholds=panel.steps([[null, 'red'], [0.6, 'transparent']])),
      lines('Drift', 'Change since the model was trained, of the signal that changed most. From 1 on the model is retrained.', 'none', [
        ['max by (instance, kind) (anomaly_drift_score{@})', '{{instance}} {{kind}}'],
      ], thresholds=panel.steps([[null, 'transparent'], [1, 'red']])),
    ],
    [
      panel.table('Models', 'The model in use for each instance and kind: version, age and duration of its training.', 's', [
        panel.rows('max by (instance, kind, model) (hostnorm_model_info{@})'),
        panel.rows('max by (instance, kind) (time() - hostnorm_model_trained_timestamp_seconds{@})'),
        panel.rows('max by (instance, kind) (hostnorm_training_duration_seconds{@})'),
      ], [['instance', 'Instance'], ['kind', 'Kind'], ['model', 'Model'], ['Value #B', 'Age'], ['Value #C', 'Training duration']], w=16)
      + panel.override('Age', { decimals: 0 }),
      panel.states('Learning', 'Whether learning is on, or paused with `hostnorm learn off`.', 'none', panel.query('hostnorm_learning_enabled{@}', '{{instance}}'), w=8, thresholds=panel.all, mappings=panel.words([['0', 'off', 'yellow'], ['1', 'on', 'green']])),
    ],
  ];

  local keeping = [
    [
      lines('Store', 'Size of the store on disk.', 'bytes', [['hostnorm_store_size_bytes{@}', '{{instance}}']]),
      lines('Store errors', 'Failed operations of the store and dropped rows, per second.', 'ops', [
        ['sum by (instance, operation) (%s)' % rate('hostnorm_store_errors_total'), '{{instance}} {{operation}}'],
        [rate('hostnorm_store_rows_dropped_total'), '{{instance}} rows dropped'],
      ]),
      lines('Age of the last commit', 'Time since the last commit.', 's', [['time() - hostnorm_store_last_commit_timestamp_seconds{@}', '{{instance}}']]),
    ],
    [
      lines('Scrapes', 'Scrapes per second, by negotiated format.', 'ops', [
        ['sum by (format) (%s)' % rate('hostnorm_scrapes_total'), '{{format}}'],
      ]),
      lines('Dropped', 'Connections closed per second because too many were open; devices and mounts not exported because there are too many.', 'short', [
        [rate('hostnorm_http_connections_evicted_total'), '{{instance}} connections'],
        ['hostnorm_disk_devices_omitted{@} + hostnorm_network_devices_omitted{@} + hostnorm_filesystem_mounts_omitted{@}', '{{instance}} devices and mounts'],
      ]),
      panel.table('Versions', 'Version, time since start, and whether the last reload of the settings succeeded.', 'none', [
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
    'Health of hostnorm, its resource usage, and the quality of its detection.',
    [
      board.row('', now),
      board.row('Resource usage', cost),
      board.row('Quality of detection', detection),
      board.row('Store, scrapes and versions', keeping, collapsed=true),
    ],
    annotations=[
      board.annotation('Starts', '1000 * process_start_time_seconds{@}', 'blue', 'Start', '{{instance}} started.', enable=false, atValue=true),
    ]
  )
