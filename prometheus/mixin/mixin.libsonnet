// Rules and dashboards of hostnorm; generate.sh writes the files that Prometheus and Grafana load.
(import 'config.libsonnet') +
(import 'rules/rules.libsonnet') +
(import 'alerts/alerts.libsonnet') +
(import 'dashboards/dashboards.libsonnet')
