// How hosts compare with their peers: what Prometheus knows and a single host cannot.
{
  local config = $._config,
  local fleet = std.join(', ', config.fleetLabels),
  local host = std.join(', ', config.hostLabels),
  local ofHosts = '%s, kind="host"' % config.selector,
  local compared = '%s, signal=~"%s"' % [ofHosts, std.join('|', config.peerSignals)],
  local text = { fleet: fleet, host: host, ofHosts: ofHosts, compared: compared } + config,

  // Shares of a fleet and the order of onset. In the group of the alerts that read them, because groups are evaluated
  // apart from each other and a fleet has to be seen at the same instant as its hosts.
  recordedWithAlerts:: [
    {
      record: 'fleet:is_anomaly:sum',
      expr: 'sum by (%(fleet)s) (is_anomaly{%(ofHosts)s})' % text,
    },
    {
      record: 'fleet:is_anomaly:count',
      expr: 'count by (%(fleet)s) (is_anomaly{%(ofHosts)s})' % text,
    },
    {
      record: 'fleet:is_anomaly:ratio',
      expr: 'fleet:is_anomaly:sum / fleet:is_anomaly:count',
    },
    {
      // When this anomaly was first seen: what was recorded last time, as long as it lasts.
      record: 'subject:is_anomaly:onset_timestamp_seconds',
      expr: |||
        (subject:is_anomaly:onset_timestamp_seconds and is_anomaly{%(selector)s} == 1)
          or
        (timestamp(is_anomaly{%(selector)s}) and is_anomaly{%(selector)s} == 1)
      ||| % text,
    },
    {
      // The order of onset: 0 is the host that was first, the others are so many seconds later.
      record: 'subject:is_anomaly:onset_lag_seconds',
      expr: |||
        subject:is_anomaly:onset_timestamp_seconds{kind="host"}
          - on (%(fleet)s) group_left ()
        min by (%(fleet)s) (subject:is_anomaly:onset_timestamp_seconds{kind="host"})
      ||| % text,
    },
  ],

  prometheusRules+:: {
    groups+: [
      {
        name: 'hostnorm-peers',
        interval: config.peersInterval,
        rules: [
          {
            record: 'fleet_signal:anomaly_signal:median',
            expr: |||
              quantile by (%(fleet)s, signal) (0.5, anomaly_signal{%(compared)s})
                and on (%(fleet)s)
              count by (%(fleet)s) (is_anomaly{%(ofHosts)s}) >= %(fleetHosts)d
            ||| % text,
          },
          {
            // The median of the distances from the median, as a standard deviation: 1.4826 times of it for what is
            // distributed normally (Rousseeuw and Croux 1993, doi 10.1080/01621459.1993.10476408).
            record: 'fleet_signal:anomaly_signal:mad',
            expr: |||
              1.4826 * quantile by (%(fleet)s, signal) (0.5, abs(
                anomaly_signal{%(compared)s} - on (%(fleet)s, signal) group_left () fleet_signal:anomaly_signal:median
              ))
            ||| % text,
          },
          {
            // What is ordinary for a host by itself. Where peers hardly differ, nothing within it is odd.
            record: 'fleet_signal:anomaly_signal:ordinary',
            expr: |||
              quantile by (%(fleet)s, signal) (0.5, anomaly_upper_bound{%(compared)s}) - fleet_signal:anomaly_signal:median
            ||| % text,
          },
          {
            // The unit of deviations. Without bounds that of the peers counts alone, where they differ at all.
            record: 'fleet_signal:anomaly_signal:spread',
            expr: |||
              fleet_signal:anomaly_signal:mad > fleet_signal:anomaly_signal:ordinary
                or
              fleet_signal:anomaly_signal:ordinary > 0
                or
              fleet_signal:anomaly_signal:mad > 0
            |||,
          },
          {
            // Only what is far from its peers is recorded: all of it would be as many series again as there are
            // signals. It is compared before it is subtracted, as what is left out by a comparison costs little.
            record: 'host_signal:anomaly_signal:peer_deviation',
            expr: |||
              (
                (
                  anomaly_signal{%(compared)s} >= on (%(fleet)s, signal) group_left ()
                  (fleet_signal:anomaly_signal:median + %(peerDeviation)d * fleet_signal:anomaly_signal:spread)
                    or
                  anomaly_signal{%(compared)s} <= on (%(fleet)s, signal) group_left ()
                  (fleet_signal:anomaly_signal:median - %(peerDeviation)d * fleet_signal:anomaly_signal:spread)
                )
                  - on (%(fleet)s, signal) group_left ()
                fleet_signal:anomaly_signal:median
              )
                / on (%(fleet)s, signal) group_left ()
              fleet_signal:anomaly_signal:spread
            ||| % text,
          },
        ],
      },
    ],
  },
}
