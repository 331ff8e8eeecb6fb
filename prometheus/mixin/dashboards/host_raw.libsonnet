// The raw metrics of a host, in collapsed rows.
local panel = import 'panel.libsonnet';

local rate = function(metric, labels='') 'rate(%s{@%s}[$__rate_interval])' % [metric, if labels == '' then '' else ', ' + labels];
local lines = function(title, description, unit, pairs, w=8, stack=false, min=null, max=null, thresholds=null)
  panel.lines(title, description, unit, [panel.query(it[0], it[1]) for it in pairs], w=w, stack=stack, min=min, max=max, thresholds=thresholds);
// Outgoing traffic and writes are drawn below zero.
local below = panel.override('/sent|written|writes/', { 'custom.transform': 'negative-Y' });

function(board) [
  board.row('CPU, memory and pressure', [
    [
      lines('CPU time by mode', 'Share of the time of all CPUs in each mode; the rest is idle.', 'percentunit', [
        [rate('hostnorm_cpu_seconds_total', 'mode!="idle"') + ' / on (job, instance) group_left () hostnorm_cpus_online{@}', '{{mode}}'],
      ], stack=true, min=0, max=1),
      lines('Load and tasks', 'Load averages, tasks running or ready to run, and tasks blocked on I/O.', 'short', [
        ['hostnorm_load1{@}', 'load, 1 min'],
        ['hostnorm_load15{@}', 'load, 15 min'],
        ['hostnorm_tasks_running{@}', 'runnable'],
        ['hostnorm_tasks_blocked{@}', 'blocked'],
        ['hostnorm_cpus_online{@}', 'CPUs'],
      ], min=0) + panel.override('CPUs', { color: { mode: 'fixed', fixedColor: 'text' }, 'custom.fillOpacity': 0, 'custom.lineStyle': { dash: [4, 6], fill: 'dash' } }),
      lines('Pressure', 'Share of time in which some or all tasks waited for a resource (PSI).', 'percentunit', [
        [rate('hostnorm_pressure_cpu_waiting_seconds_total'), 'CPU, some'],
        [rate('hostnorm_pressure_memory_waiting_seconds_total'), 'memory, some'],
        [rate('hostnorm_pressure_memory_stalled_seconds_total'), 'memory, all'],
        [rate('hostnorm_pressure_io_waiting_seconds_total'), 'I/O, some'],
        [rate('hostnorm_pressure_io_stalled_seconds_total'), 'I/O, all'],
      ], min=0),
    ],
    [
      lines('Memory', 'Memory used, and memory available to new programs without swapping.', 'bytes', [
        ['hostnorm_memory_used_bytes{@}', 'used'],
        ['hostnorm_memory_available_bytes{@}', 'available'],
      ], stack=true, min=0),
      lines('Memory in detail', 'Page cache, buffers, kernel slab, dirty pages, free memory and swap used.', 'bytes', [
        ['hostnorm_memory_cached_bytes{@}', 'cached'],
        ['hostnorm_memory_buffers_bytes{@}', 'buffers'],
        ['hostnorm_memory_slab_bytes{@}', 'slab'],
        ['hostnorm_memory_dirty_bytes{@}', 'dirty'],
        ['hostnorm_memory_free_bytes{@}', 'free'],
        ['hostnorm_swap_size_bytes{@} - hostnorm_swap_free_bytes{@}', 'swap used'],
      ], min=0),
      lines('Faults and swapping', 'Major page faults, and pages swapped in and out.', 'ops', [
        [rate('hostnorm_major_page_faults_total'), 'major faults'],
        [rate('hostnorm_swap_in_pages_total'), 'swapped in'],
        [rate('hostnorm_swap_out_pages_total'), 'swapped out'],
      ], min=0),
    ],
  ], collapsed=true),
  board.row('Disks and filesystems', [
    [
      lines('Disk throughput', 'Bytes read, and written (below zero), by disk.', 'Bps', [
        [rate('hostnorm_disk_read_bytes_total'), '{{device}} read'],
        [rate('hostnorm_disk_written_bytes_total'), '{{device}} written'],
      ]) + below,
      lines('Disk operations', 'Completed reads, and writes (below zero), by disk.', 'iops', [
        [rate('hostnorm_disk_reads_completed_total'), '{{device}} reads'],
        [rate('hostnorm_disk_writes_completed_total'), '{{device}} writes'],
      ]) + below,
      lines('Disk utilization', 'Share of time with I/O in progress, by disk.', 'percentunit', [
        [rate('hostnorm_disk_io_time_seconds_total'), '{{device}}'],
      ], min=0, max=1),
    ],
    [
      lines('Filesystem usage', 'Share of each filesystem not available to unprivileged users.', 'percentunit', [
        ['1 - hostnorm_filesystem_available_bytes{@} / hostnorm_filesystem_size_bytes{@}', '{{mountpoint}}'],
      ], min=0, max=1, thresholds=panel.steps([[null, 'transparent'], [0.9, 'red']])),
      panel.table('Filesystems', 'Size, available space and free inodes; the state says if the filesystem is read-only or does not respond.', 'bytes', [
        panel.rows('max by (mountpoint, device, fstype) (hostnorm_filesystem_size_bytes{@})'),
        panel.rows('max by (mountpoint, device, fstype) (hostnorm_filesystem_available_bytes{@})'),
        panel.rows('max by (mountpoint, device, fstype) (hostnorm_filesystem_inodes_free{@} / hostnorm_filesystem_inodes{@})'),
        panel.rows('max by (mountpoint, device, fstype) (hostnorm_filesystem_read_only{@} + 2 * hostnorm_filesystem_error{@})'),
      ], [['mountpoint', 'Mounted on'], ['fstype', 'Type'], ['Value #A', 'Size'], ['Value #B', 'Available'], ['Value #C', 'Inodes free'], ['Value #D', 'State']], w=16)
      + panel.override('Inodes free', { unit: 'percentunit', decimals: 0 })
      + panel.override('State', {
        mappings: panel.words([['0', 'writable', 'green'], ['1', 'read-only', 'yellow'], ['2', 'no answer', 'red'], ['3', 'no answer', 'red']]),
        'custom.cellOptions': { type: 'color-text' },
      }),
    ],
  ], collapsed=true),
  board.row('Network', [
    [
      lines('Network throughput', 'Bytes received, and sent (below zero), by device.', 'Bps', [
        [rate('hostnorm_network_receive_bytes_total'), '{{device}} received'],
        [rate('hostnorm_network_transmit_bytes_total'), '{{device}} sent'],
      ], w=6) + below,
      lines('Packets', 'Packets received, and sent (below zero), by device.', 'pps', [
        [rate('hostnorm_network_receive_packets_total'), '{{device}} received'],
        [rate('hostnorm_network_transmit_packets_total'), '{{device}} sent'],
      ], w=6) + below,
      lines('Packet errors and drops', 'Packets with errors and packets dropped, by device.', 'pps', [
        [rate('hostnorm_network_receive_errors_total'), '{{device}} receive errors'],
        [rate('hostnorm_network_receive_drops_total'), '{{device}} receive drops'],
        [rate('hostnorm_network_transmit_errors_total'), '{{device}} transmit errors'],
        [rate('hostnorm_network_transmit_drops_total'), '{{device}} transmit drops'],
      ], w=6, min=0),
      lines('TCP', 'Established connections, and sockets in TIME_WAIT or orphaned.', 'short', [
        ['hostnorm_tcp_connections_established{@}', 'established'],
        ['hostnorm_tcp_sockets_time_wait{@}', 'TIME_WAIT'],
        ['hostnorm_tcp_sockets_orphaned{@}', 'orphaned'],
      ], w=6, min=0),
    ],
  ], collapsed=true),
  board.row('Tasks, files and temperatures', [
    [
      lines('Tasks started', 'Tasks started per second.', 'ops', [[rate('hostnorm_forks_total'), 'started']], w=4, min=0),
      lines('Open files', 'Share of the system-wide file handles in use.', 'percentunit', [
        ['hostnorm_file_handles_open{@} / hostnorm_file_handles_limit{@}', 'in use'],
      ], w=4, min=0),
      lines('Context switches and interrupts', 'Context switches and interrupts per second.', 'ops', [
        [rate('hostnorm_context_switches_total'), 'context switches'],
        [rate('hostnorm_interrupts_total'), 'interrupts'],
      ], w=6, min=0),
      lines('TCP retransmits', 'Share of TCP segments retransmitted.', 'percentunit', [
        [rate('hostnorm_tcp_segments_retransmitted_total') + ' / ' + rate('hostnorm_tcp_segments_sent_total'), 'retransmitted'],
      ], w=5, min=0),
      lines('Temperatures', 'Temperature by sensor. Empty without sensors.', 'celsius', [
        ['hostnorm_sensor_temperature_celsius{@}', '{{chip}} {{sensor}}'],
      ], w=5),
    ],
  ], collapsed=true),
]
