// Everything that differs between installations: selectors, thresholds, durations and links, each in one place.
//
// To change one, import the mixin and write over it:
//   (import 'mixin.libsonnet') { _config+:: { selector: 'job="node/hostnorm"' } }
{
  _config+:: {
    // Which series are hostnorm's. vmanomaly exports an anomaly_score as well, so names alone do not tell.
    selector: 'job="hostnorm"',

    // With many clusters in one Prometheus (or Thanos, or Mimir) hosts and fleets are told apart by this label too.
    showMultiCluster: false,
    clusterLabel: 'cluster',

    // The labels of the target that make up a host, and those that make up a fleet of peers.
    hostLabels: (if self.showMultiCluster then [self.clusterLabel] else []) + ['job', 'instance'],
    fleetLabels: (if self.showMultiCluster then [self.clusterLabel] else []) + ['job'],

    // How often groups are evaluated; null is the evaluation_interval of Prometheus.
    evaluationInterval: null,

    // Durations of anomalies. hostnorm itself tells an episode from a spike, so little is added before an alert; what
    // fires goes on firing for a while, so that a fault that comes and goes is one message. An old vmalert
    // cannot do that: null leaves it out.
    anomalousFor: '1m',
    anomalousKeepFiringFor: '5m',
    severeFor: '5m',
    longAfter: '2h',
    // The default of the setting accept_after: when an anomaly is taken for the new normal. For texts only.
    acceptAfter: '6h',

    // 1 is the limit; at twice the limit hostnorm does not hold back even within grace.
    severeScore: 2,

    // A fleet is anomalous when so many of its hosts are, and so large a share. Smaller fleets have no peers to speak of.
    fleetRatio: 0.2,
    fleetHosts: 5,
    fleetFor: '1m',
    // Deviations from the median of the peers that are recorded.
    peerDeviation: 3,
    // What hosts of a job are expected to have in common. Each signal costs Prometheus 1 to 2 ms an evaluation for a
    // hundred hosts; those left out follow from these or are hardly comparable.
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
    // That is not urgent.
    peersInterval: '1m',

    // hostnorm itself.
    downFor: '5m',
    absentFor: '10m',
    stalledWindow: '5m',
    stalledFor: '5m',
    collectorFor: '15m',
    // A model is trained daily by default; the self-test runs each hour without an anomaly.
    modelAge: '3d',
    blindAfter: '2d',
    reloadFor: '5m',
    storeFor: '15m',

    severities: {
      HostAnomalous: 'warning',
      HostAnomalySevere: 'critical',
      HostAnomalyLong: 'info',
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

    // Where links in alerts lead. A runbook is a file in docs/runbooks, named like its alert.
    runbookURLPattern: 'https://github.com/hostnorm/hostnorm/blob/main/docs/runbooks/%s.md',
    grafanaURL: 'http://localhost:3000',

    // The dashboards, by the uid that links use.
    dashboards: {
      fleet: { uid: 'hostnorm-fleet', title: 'Fleet' },
      host: { uid: 'hostnorm-host', title: 'Host' },
      containers: { uid: 'hostnorm-containers', title: 'Containers and logs' },
      itself: { uid: 'hostnorm-self', title: 'hostnorm itself' },
    },
    dashboardNamePrefix: 'hostnorm / ',
    dashboardTags: ['hostnorm-mixin'],
    dashboardRefresh: '30s',
    dashboardInterval: '15s',
  },
}
