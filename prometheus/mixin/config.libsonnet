// Everything that differs between installations: selectors, thresholds, durations and links.
//
// To change a value, import the mixin and override it:
//   (import 'mixin.libsonnet') { _config+:: { selector: 'job="node/hostnorm"' } }
{
  _config+:: {
    // Selects hostnorm's series. The metric name is not enough: vmanomaly exports an anomaly_score too.
    selector: 'job="hostnorm"',

    // The label that tells clusters apart in a Prometheus, Thanos or Mimir with several: equal names in two clusters are two
    // hosts, and each cluster is a fleet. If series lack this label, it has no effect.
    showMultiCluster: true,
    clusterLabel: 'cluster',

    // The target labels that identify a host, and those that identify a fleet of peers. Alerts have these and no other target
    // labels, because those of a pod change when it is replaced. Add a label of yours, such as team, to both to route by it.
    hostLabels: (if self.showMultiCluster then [self.clusterLabel] else []) + ['job', 'instance'],
    fleetLabels: (if self.showMultiCluster then [self.clusterLabel] else []) + ['job'],

    // Evaluation interval of the groups; null for the evaluation_interval of Prometheus.
    evaluationInterval: null,

    // Durations of anomalies. hostnorm already ignores spikes, so alerts wait only briefly. They keep firing for a while,
    // so that a flapping fault sends one message. Old versions of vmalert do not support keep_firing_for: use null.
    anomalousFor: '1m',
    anomalousKeepFiringFor: '5m',
    severeFor: '5m',
    longAfter: '2h',
    // The setting accept_after, after which hostnorm accepts an anomaly as normal. Used in texts only.
    acceptAfter: '6h',

    // A host is unusual from a score of 1 on, and worth an alert from 2 on. Twice the alert level is severe.
    severeScore: 4,

    // A filesystem that is likely full within this time, unless somebody acts. Its forecast wavers when the pace changes.
    fillsWithin: '6h',
    fillsFor: '10m',
    fillsKeepFiringFor: '15m',

    // A fleet is anomalous if at least this share and this number of its hosts are. Smaller fleets are not compared.
    fleetRatio: 0.2,
    fleetHosts: 5,
    fleetFor: '1m',
    // Smallest deviation from the median of the peers that is recorded.
    peerDeviation: 3,
    // The signals compared with peers. Each costs Prometheus 1 to 2 ms an evaluation for a hundred hosts. Other signals
    // follow from these or are hardly comparable.
    peerSignals: [
      'cpu_busy_ratio',
      'memory_used_ratio',
      'pressure_memory_ratio',
      'pressure_io_ratio',
      'disk_busy_ratio',
      'filesystem_used_ratio',
      'network_received_bytes_per_second',
      'network_sent_bytes_per_second',
    ],
    // Comparisons are not urgent.
    peersInterval: '1m',

    // hostnorm itself.
    downFor: '5m',
    absentFor: '10m',
    stalledWindow: '5m',
    stalledFor: '5m',
    collectorFor: '15m',
    // By default a model is trained daily; a self-test runs each hour without an anomaly.
    modelAge: '3d',
    blindAfter: '2d',
    reloadFor: '5m',
    storeFor: '15m',

    severities: {
      HostAnomalous: 'warning',
      HostUnusual: 'info',
      LogAnomalous: 'warning',
      HostAnomalySevere: 'critical',
      ContainerAnomalous: 'warning',
      HostAnomalyLong: 'info',
      HostFilesystemFillsSoon: 'warning',
      FleetAnomalous: 'critical',
      HostnormDown: 'critical',
      HostnormAbsent: 'warning',
      HostnormSamplingStalled: 'warning',
      HostnormCollectorFailing: 'warning',
      HostnormModelStale: 'warning',
      HostnormConfigReloadFailed: 'warning',
      HostnormStoreFailing: 'warning',
      HostnormBlind: 'warning',
    },

    // How long hostnorm may be away during an anomaly, such as while its pod is replaced, without a new start of the anomaly.
    replacedWithin: '5m',

    // Links in alerts; '' for none. A runbook is a file in docs/runbooks with the name of its alert. grafanaURL is the address
    // of Grafana as readers of alerts reach it, such as https://grafana.example.com.
    runbookURLPattern: 'https://github.com/hostnorm/hostnorm/blob/main/docs/runbooks/%s.md',
    grafanaURL: '',

    // The dashboards with the uid for links.
    dashboards: {
      fleet: { uid: 'hostnorm-fleet', title: 'Fleet' },
      host: { uid: 'hostnorm-host', title: 'Host' },
      containers: { uid: 'hostnorm-containers', title: 'Containers and services' },
      logs: { uid: 'hostnorm-logs', title: 'Logs' },
      itself: { uid: 'hostnorm-self', title: 'hostnorm itself' },
    },
    dashboardNamePrefix: 'hostnorm / ',
    dashboardTags: ['hostnorm-mixin'],
    dashboardRefresh: '30s',
    dashboardInterval: '15s',
  },
}
