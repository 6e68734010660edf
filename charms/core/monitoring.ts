// The relation to an observability agent (`cos_agent`): where the metrics are, the alert rules and the dashboard.
import {saying, type Order} from './orders.ts'
import {relationsOf, type Scene} from './scene.ts'

/** What the charm was packed with, ready for the relation. */
export interface Monitoring {
  /** Prometheus' rule file, as data. */
  readonly alerts: unknown
  /** Each as base64 of xz of its JSON. */
  readonly dashboards: readonly string[]
}

/** What this unit says to its agent. */
export function tellAgent(scene: Scene, monitoring: Monitoring, port: number | null): readonly Order[] {
  const config = JSON.stringify({
    metrics_alert_rules: port === null ? {} : (monitoring.alerts ?? {}),
    log_alert_rules: {},
    dashboards: monitoring.dashboards,
    log_slots: [],
    metrics_scrape_jobs: port === null ? [] : [{job_name: 'ostler', path: '/metrics', port: String(port)}],
  })
  return relationsOf(scene, 'cos-agent').flatMap(({id, ours}) => saying(id, 'unit', ours, {config}))
}
