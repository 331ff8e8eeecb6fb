// The dashboards, by file name.
local frame = import 'board.libsonnet';

{
  _config+:: {
    // Alerts shown on the dashboards, as a regular expression.
    dashboardAlerts: 'HostAnom.+|LogAnomalous|FleetAnomalous|Hostnorm.+',
  },

  local config = $._config,
  local board = frame(config),

  grafanaDashboards+:: {
    'fleet.json': (import 'fleet.libsonnet')(config, board),
    'host.json': (import 'host.libsonnet')(config, board),
    'containers.json': (import 'containers.libsonnet')(config, board),
    'logs.json': (import 'logs.libsonnet')(config, board),
    'itself.json': (import 'itself.libsonnet')(config, board),
  },
}
