// What hostnorm ships for Prometheus and Grafana; generate.sh writes the files that are loaded from it.
(import 'config.libsonnet') +
(import 'rules/rules.libsonnet') +
(import 'alerts/alerts.libsonnet') +
(import 'dashboards/dashboards.libsonnet')
