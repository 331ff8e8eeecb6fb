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
