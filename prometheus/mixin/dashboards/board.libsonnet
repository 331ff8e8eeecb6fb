// A dashboard: variables, links, annotations, and the position of each panel.
function(config) {
  local board = self,
  local source = { type: 'prometheus', uid: '${datasource}' },
  local targets = (if config.showMultiCluster then '%s=~"$cluster", ' % config.clusterLabel else '')
                  + 'job=~"$job", instance=~"$instance"',

  uid(name):: config.dashboards[name].uid,

  // The link to the dashboard of a host, from a table or a series with the label `instance`.
  host(instance)::
    '/d/%s?var-instance=%s&${datasource:queryparam}&%s${job:queryparam}&${__url_time_range}' % [board.uid('host'), instance, if config.showMultiCluster then '${cluster:queryparam}&' else ''],

  // A variable with the values of a label. `one` allows a single value only. With `listed`, All means each of the values
  // and not any value.
  variable(name, label, metric, of=null, one=false, listed=false):: {
                                                                      local query = 'label_values(%s, %s)' % [metric, if of == null then name else of],
                                                                      type: 'query',
                                                                      name: name,
                                                                      label: label,
                                                                      datasource: source,
                                                                      query: { query: query, refId: 'variable-' + name },
                                                                      refresh: 2,
                                                                      regex: '',
                                                                      sort: 1,
                                                                      hide: 0,
                                                                      skipUrlSync: false,
                                                                      multi: !one,
                                                                      includeAll: !one,
                                                                      options: [],
                                                                    } + (if one then {} else { current: { selected: true, text: ['All'], value: ['$__all'] } })
                                                                    // Repeated panels need the values themselves.
                                                                    + if one || listed then {} else { allValue: '.+' },

  local datasource = {
    type: 'datasource',
    name: 'datasource',
    label: 'Data source',
    query: 'prometheus',
    regex: '',
    refresh: 1,
    hide: 0,
    multi: false,
    includeAll: false,
    skipUrlSync: false,
    options: [],
  },

  // Annotations on all time series: a region for each period in which the query has a value.
  annotation(name, expr, color, title, text, enable=true, atValue=false):: {
    datasource: source,
    enable: enable,
    hide: false,
    iconColor: color,
    name: name,
    target: { expr: expr, interval: config.dashboardInterval, refId: 'Anno' },
    textFormat: text,
    titleFormat: title,
    useValueForTime: atValue,
  },

  // A titled row with lines of panels. A line is a list from left to right; a list within it is a column.
  row(title, lines, collapsed=false):: { title: title, lines: lines, collapsed: collapsed },

  local height(it) = if std.isArray(it) then std.foldl(function(sum, panel) sum + panel.gridPos.h, it, 0) else it.gridPos.h,
  local width(it) = if std.isArray(it) then it[0].gridPos.w else it.gridPos.w,

  local column(it, x, y) =
    if std.isArray(it) then
      std.foldl(function(done, panel) done {
        y: done.y + panel.gridPos.h,
        panels: done.panels + [panel { gridPos+: { x: x, y: done.y } }],
      }, it, { y: y, panels: [] }).panels
    else [it { gridPos+: { x: x, y: y } }],

  local line(it, y) = {
    height: std.foldl(function(most, one) std.max(most, height(one)), it, 0),
    panels: std.foldl(function(done, one) {
      x: done.x + width(one),
      panels: done.panels + column(one, done.x, y),
    }, it, { x: 0, panels: [] }).panels,
  },

  local lines(all, y) = std.foldl(function(done, it)
    local placed = line(it, done.y);
    { y: done.y + placed.height, panels: done.panels + placed.panels }, all, { y: y, panels: [] }),

  // A collapsed row contains its panels, positioned as if it were expanded.
  local rows(all) = std.foldl(function(done, it)
    local titled = it.title != '';
    local inner = lines(it.lines, done.y + if titled then 1 else 0);
    local head = {
      type: 'row',
      title: it.title,
      collapsed: it.collapsed,
      gridPos: { x: 0, y: done.y, w: 24, h: 1 },
      panels: if it.collapsed then inner.panels else [],
    };
    {
      y: if it.collapsed then done.y + 1 else inner.y,
      panels: done.panels + (if titled then [head] else []) + (if it.collapsed then [] else inner.panels),
    }, all, { y: 0, panels: [] }).panels,

  // Numbers all panels from 1, including those in rows.
  local numbered(panels) = std.foldl(function(done, it)
    local inside = if std.objectHas(it, 'panels') then it.panels else [];
    local inner = [inside[i] { id: done.next + 1 + i } for i in std.range(0, std.length(inside) - 1)];
    {
      next: done.next + 1 + std.length(inside),
      panels: done.panels + [it { id: done.next } + if it.type == 'row' then { panels: inner } else {}],
    }, panels, { next: 1, panels: [] }).panels,

  // In queries, `{@` becomes the selector of the selected targets, and joins use the labels that identify a host.
  local selected(value) =
    if std.isString(value) then
      std.strReplace(
        std.strReplace(std.strReplace(value, '{@}', '{' + targets + '}'), '{@,', '{' + targets + ','),
        'on (job, instance)',
        'on (%s)' % std.join(', ', config.hostLabels)
      )
    else if std.isArray(value) then [selected(it) for it in value]
    else if std.isObject(value) then { [it]: selected(value[it]) for it in std.objectFields(value) }
    else value,

  dashboard(name, description, all, variables=[], annotations=[], oneInstance=false):: selected({
    id: null,
    uid: board.uid(name),
    title: config.dashboardNamePrefix + config.dashboards[name].title,
    description: description,
    tags: config.dashboardTags,
    editable: false,
    graphTooltip: 1,
    refresh: config.dashboardRefresh,
    // Grafana 10.4; newer versions migrate it on load.
    schemaVersion: 39,
    time: { from: 'now-3h', to: 'now' },
    timepicker: {},
    timezone: 'browser',
    weekStart: '',
    fiscalYearStartMonth: 0,
    liveNow: false,
    version: 1,
    links: [{
      type: 'dashboards',
      title: 'hostnorm',
      tags: config.dashboardTags,
      icon: 'external link',
      asDropdown: false,
      includeVars: true,
      keepTime: true,
      targetBlank: false,
      tooltip: '',
      url: '',
    }],
    annotations: { list: annotations },
    templating: {
      list: [datasource]
            // Its All includes series without the label.
            + (if config.showMultiCluster then [board.variable('cluster', 'Cluster', 'hostnorm_build_info', config.clusterLabel) { allValue: '.*' }] else [])
            + [
              board.variable('job', 'Job', 'hostnorm_build_info' + (if config.showMultiCluster then '{%s=~"$cluster"}' % config.clusterLabel else '')),
              board.variable('instance', 'Instance', 'hostnorm_build_info{%sjob=~"$job"}' % (if config.showMultiCluster then '%s=~"$cluster", ' % config.clusterLabel else ''), one=oneInstance),
            ]
            + variables,
    },
    panels: numbered(rows(all)),
  }),
}
