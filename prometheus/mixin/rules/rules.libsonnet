// Recording rules that compare hosts with their peers.
{
  local config = $._config,
  local fleet = std.join(', ', config.fleetLabels),
  local host = std.join(', ', config.hostLabels),
  local ofHosts = '%s, kind="host"' % config.selector,
  local compared = '%s, signal=~"%s"' % [ofHosts, std.join('|', config.peerSignals)],
  local ofSubject = std.join(', ', config.hostLabels + ['kind', 'subject']),
  local text = { fleet: fleet, host: host, ofHosts: ofHosts, ofSubject: ofSubject, compared: compared } + config,

  // The share of anomalous hosts, and the order in which anomalies started. They are in the group of the alerts that use
  // them, because groups are evaluated independently and a fleet must be evaluated at the same instant as its hosts.
  recordedWithAlerts:: [
    {
      record: 'fleet:is_anomaly:sum',
      expr: 'sum by (%(fleet)s) (max by (%(host)s) (is_anomaly{%(ofHosts)s}))' % text,
    },
    {
      record: 'fleet:is_anomaly:count',
      expr: 'count by (%(fleet)s) (count by (%(host)s) (is_anomaly{%(ofHosts)s}))' % text,
    },
    {
      record: 'fleet:is_anomaly:ratio',
      expr: 'fleet:is_anomaly:sum / fleet:is_anomaly:count',
    },
    {
      // The start of the current anomaly: the value recorded before, as long as the anomaly lasts. It survives the replacement
      // of a pod, during which there are no series, if the host was not normal in between.
      record: 'subject:is_anomaly:start_timestamp_seconds',
      expr: |||
        (
          subject:is_anomaly:start_timestamp_seconds
            or
          (
            last_over_time(subject:is_anomaly:start_timestamp_seconds[%(replacedWithin)s])
              unless on (%(ofSubject)s)
            min_over_time(is_anomaly{%(selector)s}[%(replacedWithin)s]) == 0
          )
            or
          min by (%(ofSubject)s) (timestamp(is_anomaly{%(selector)s}) and is_anomaly{%(selector)s} == 1)
        )
          and on (%(ofSubject)s)
        max by (%(ofSubject)s) (is_anomaly{%(selector)s}) == 1
      ||| % text,
    },
    {
      // Seconds after the first host; 0 for the first one.
      record: 'subject:is_anomaly:start_lag_seconds',
      expr: |||
        subject:is_anomaly:start_timestamp_seconds{kind="host"}
          - on (%(fleet)s) group_left ()
        min by (%(fleet)s) (subject:is_anomaly:start_timestamp_seconds{kind="host"})
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
              quantile by (%(fleet)s, signal) (0.5, max by (%(host)s, signal) (anomaly_signal{%(compared)s}))
                and on (%(fleet)s)
              count by (%(fleet)s) (count by (%(host)s) (is_anomaly{%(ofHosts)s})) >= %(fleetHosts)d
            ||| % text,
          },
          {
            // The median absolute deviation as a standard deviation: times 1.4826 for a normal distribution (Rousseeuw
            // and Croux 1993, doi 10.1080/01621459.1993.10476408).
            record: 'fleet_signal:anomaly_signal:mad',
            expr: |||
              1.4826 * quantile by (%(fleet)s, signal) (0.5, abs(
                max by (%(host)s, signal) (anomaly_signal{%(compared)s}) - on (%(fleet)s, signal) group_left () fleet_signal:anomaly_signal:median
              ))
            ||| % text,
          },
          {
            // The normal range of a single host. If peers hardly differ, a value within it is not a deviation.
            record: 'fleet_signal:anomaly_signal:normal_margin',
            expr: |||
              quantile by (%(fleet)s, signal) (0.5, max by (%(host)s, signal) (anomaly_upper_bound{%(compared)s})) - fleet_signal:anomaly_signal:median
            ||| % text,
          },
          {
            // The unit of deviations: the larger of both. Without bounds, that of the peers.
            record: 'fleet_signal:anomaly_signal:spread',
            expr: |||
              fleet_signal:anomaly_signal:mad > fleet_signal:anomaly_signal:normal_margin
                or
              fleet_signal:anomaly_signal:normal_margin > 0
                or
              fleet_signal:anomaly_signal:mad > 0
            |||,
          },
          {
            // Only large deviations are recorded; all of them would double the number of series. The comparison precedes
            // the subtraction because series it drops cost little. While a pod is replaced, a node may have two: they are one host.
            record: 'host_signal:anomaly_signal:peer_deviation',
            expr: |||
              max by (%(ofSubject)s, signal) (
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
              )
            ||| % text,
          },
        ],
      },
    ],
  },
}
