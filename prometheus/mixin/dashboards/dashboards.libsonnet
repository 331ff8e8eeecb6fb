// The dashboards of the mixin, by the name of their file.
local frame = import 'board.libsonnet';

{
  _config+:: {
    // Alerts that are shown on the dashboards, as a regular expression.
    dashboardAlerts: 'HostAnom.+|FleetAnomalous|Hostnorm.+',
  },

  local config = $._config,
  local board = frame(config),

  grafanaDashboards+:: {
    'fleet.json': (import 'fleet.libsonnet')(config, board),
    'host.json': (import 'host.libsonnet')(config, board),
    'containers.json': (import 'containers.libsonnet')(config, board),
    'itself.json': (import 'itself.libsonnet')(config, board),
  },
}
