// Where the Debian packages keep what the charms write, and what their units are called.

export const packagesOf = {
  master: ['ostler-common', 'ostler-master'],
  worker: ['ostler-common', 'ostler-worker'],
} as const

export type Role = keyof typeof packagesOf

export const units = {
  master: 'buildmaster.service',
  worker: 'ostler-worker.service',
  promote: 'ostler-promote.timer',
  backup: 'ostler-backup.timer',
} as const

export const paths = {
  configuration: '/etc/ostler/ostler.yaml',
  masterEnvironment: '/etc/ostler/master.env',
  secrets: '/etc/ostler/secrets',
  masterState: '/var/lib/ostler/master',
  workerEnvironment: '/etc/ostler/worker.env',
  workerToken: '/etc/ostler/worker.token',
  certificate: '/etc/ostler/tls/certificate.pem',
  certificateKey: '/etc/ostler/tls/key.pem',
  certificateRequest: '/etc/ostler/tls/request.pem',
  /** Who issued the master's certificate. */
  certificateAuthority: '/etc/ostler/tls/authority.pem',
  databaseAuthority: '/etc/ostler/tls/database-ca.pem',
  sources: '/etc/apt/sources.list.d/ostler-charm.list',
  keys: '/etc/apt/keyrings/ostler-charm.asc',
} as const

/** The group that may read the master's files. */
export const masterGroup = 'ostler'

/** The endpoints of each charm, as its charmcraft.yaml has them. */
export const endpoints = {
  master: ['cluster', 'database', 'workers', 'website', 'haproxy-route', 'certificates', 'cos-agent'],
  worker: ['master', 'cos-agent'],
} as const

/** What a unit works by: files whose change wants a restart, and those that it reads again when told. */
export const worksBy: Readonly<
  Record<string, {readonly restart: readonly string[]; readonly reload: readonly string[]}>
> = {
  [units.master]: {
    restart: [paths.masterEnvironment, paths.databaseAuthority],
    reload: [paths.configuration, paths.certificate],
  },
  [units.worker]: {
    restart: [paths.workerEnvironment, paths.workerToken, paths.certificateAuthority],
    reload: [],
  },
}

/** The files that a role's charm keeps. */
export const keptFiles = {
  master: [
    paths.configuration,
    paths.masterEnvironment,
    paths.databaseAuthority,
    paths.certificate,
    paths.certificateAuthority,
    paths.sources,
    paths.keys,
  ],
  worker: [paths.workerEnvironment, paths.workerToken, paths.certificateAuthority, paths.sources, paths.keys],
} as const

export const unitsOf = {
  master: [units.master, units.promote, units.backup],
  worker: [units.worker],
} as const
