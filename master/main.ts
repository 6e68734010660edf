// The master, assembled: configuration, database, world, river and front door, and how they start, reload and stop.
import {randomBytes} from 'node:crypto'
import {mkdir} from 'node:fs/promises'
import {hostname} from 'node:os'
import type {SecureContextOptions, Server as TlsServer} from 'node:tls'
import {Registry, collectDefaultMetrics} from 'prom-client'
import {Sessions} from './flow/sessions.ts'
import {flow} from './flow/river.ts'
import {openRiver} from './flow/stages.ts'
import {createServer} from './http/server.ts'
import {firstAdminToken} from './world/admin-token.ts'
import {writeBackup} from './world/backup/make.ts'
import {openBells} from './world/bells.ts'
import {Certificates, type TlsFiles} from './world/certificates.ts'
import {startClock} from './world/clock.ts'
import {clockComplaints} from './core/standing.ts'
import {complaintsOf} from './world/findings.ts'
import {Git} from './world/git.ts'
import {openDescriptors} from './world/descriptors.ts'
import {ledger} from './world/ledger.ts'
import {builtFile, ownVersion} from './world/place.ts'
import {startPulse} from './world/pulse.ts'
import {complain, openSay, type Say} from './world/say.ts'
import {
  ConfigurationRefused,
  firstSettings,
  openReload,
  readAnyway,
  refusedComplaint,
  refusedStatus,
  tellConfiguration,
} from './world/settings.ts'
import {Secrets} from './world/secrets.ts'
import {openShelves} from './world/shelves.ts'
import {startTrouble} from './world/start-trouble.ts'
import {openStore} from './world/store/database.ts'
import {enterMaster, leaveMasters} from './world/store/masters.ts'
import {whereIs} from './world/store/reach.ts'
import {keepTold} from './world/vitals.ts'
import {refuseForeign} from '../worker/systemd/file-trouble.ts'
import {systemd} from '../worker/systemd/systemd.ts'
import type {World} from './world/world.ts'

/** How long a start may go on, in milliseconds, after each word on what it waits for. */
const startPatienceMs = 90_000

export interface MasterOptions {
  readonly config: string
  readonly stateDir: string
  /** `HOST:PORT`; port 0 takes a free one. */
  readonly listen: string
  /** A PostgreSQL server's URL, or null for the embedded database in the state directory. */
  readonly databaseUrl: string | null
  /** Where logs and artifacts lie instead of the state directory: one that several masters share, or null. */
  readonly filesDir: string | null
  /** Or an object store, `s3://…`, or null. */
  readonly objectStore: string | null
  readonly logLevel: string
  /** What it speaks TLS with; null leaves that to a proxy. */
  readonly tls?: TlsFiles | null
  /** With a configuration that is refused, go on with the last good one that the database has. */
  readonly lastGood?: boolean
}

export interface Master {
  /** Where it listens, such as `http://127.0.0.1:8010`. */
  readonly address: string
  /** Reads the configuration again: a good one applies without touching running builds, a bad one changes nothing. */
  reload(): Promise<void>
  stop(): Promise<void>
}

/** Starts a master. Throws ConfigurationRefused, or an Error whose message says what to do. */
export async function startMaster(options: MasterOptions): Promise<Master> {
  const say = openSay(options.logLevel)
  const loaded = await readAnyway(options.config)
  if (loaded.refusal !== null && !options.lastGood) throw loaded.refusal
  const certificates = options.tls ? await Certificates.open(options.tls) : null
  await mkdir(options.stateDir, {recursive: true})
  refuseForeign(options.stateDir)
  const shelves = await openShelves(options, say)
  let isStarted = false
  const store = await openStore({
    url: options.databaseUrl,
    stateDir: options.stateDir,
    say: (text) => {
      say.info(text)
      if (!isStarted) tellStart(text)
    },
  })
  const first = await firstSettings(store, loaded, say)
  let {settings, refusal} = first
  const version = ownVersion()
  const master = `${hostname()}-${String(process.pid)}-${randomBytes(4).toString('hex')}`
  const bells = await openBells(store, master)
  const world: World = {
    master,
    store,
    ledger,
    bells,
    say,
    logs: shelves.logs,
    artifacts: shelves.artifacts,
    hindrance: openDescriptors(),
    settings: () => settings,
  }
  const git = new Git({stateDir: options.stateDir, secret: (name) => settings.secrets.read(name)})
  const sessions = new Sessions(world)
  const river = openRiver(world, git, sessions)
  const reload = openReload({
    file: options.config,
    world,
    inForce: (next) => ([settings, refusal] = [next, null]),
    refused: (why) => (refusal = why),
  })
  const metrics = new Registry()
  collectDefaultMetrics({register: metrics})
  const current = flow(river.stages, bells, say)
  const pulse = startPulse(store, options.databaseUrl)
  const complaints = (refused: (why: ConfigurationRefused) => string) => {
    const hindrance = world.hindrance()
    return [
      ...(hindrance === null ? [] : [`no new builds are started: ${hindrance}`]),
      ...(refusal === null ? [] : [refused(refusal)]),
      ...(certificates?.complaints(Date.now()) ?? []),
      ...clockComplaints(pulse.standing()),
      ...current.troubles(),
      ...complaintsOf(river.found().findings),
    ]
  }
  const server = await createServer({
    ...world,
    version,
    reload,
    desk: sessions,
    promoter: {run: river.decide, planRollback: river.rollback.plan, rollBack: river.rollback.act},
    backup: (out) => writeBackup({...world, holder: master, version, scratch: options.stateDir}, out),
    complaints: () => Promise.resolve(complaints(() => refusedComplaint)),
    found: river.found,
    metrics,
    ...(certificates && {tls: certificates.context}),
    webDirectory: builtFile('web'),
  })
  const renewal = certificates && renewing(certificates, server.server, say)
  const stopClock = startClock(bells)
  await giveAdminToken(world, options.stateDir)
  let quiet = () => {}
  const stop = async () => {
    quiet()
    pulse.stop()
    certificates?.stop()
    await stopClock()
    await server.close()
    await current.stop()
    await river.settled()
    await shelves.close()
    await leaveMasters(store, master).catch(() => undefined)
    await bells.close()
    await store.close()
  }
  let address: string
  try {
    address = await server.listen(listenAddress(options.listen))
    await enterMaster(store, {id: master, address, version})
  } catch (error) {
    await stop() // Else it would go on with the builds, unheard.
    throw error
  }
  await tellConfiguration(world, first.hash)
  isStarted = true
  quiet = keepTold({
    pulse,
    database: whereIs(options.databaseUrl),
    complaints: () => complaints(refusedStatus),
  })
  say.info({address, database: store.engine}, `listening at ${address}`)
  return {
    address,
    reload: async () => {
      await renewal?.()
      await reload()
    },
    async stop() {
      await stop()
      say.info('stopped')
    },
  }
}

/** Watches the certificate's files; answers how they are read again at once. */
function renewing(certificates: Certificates, server: object, say: Say): () => Promise<void> {
  const changed = (context: SecureContextOptions) => {
    // What is open goes on with the old one.
    ;(server as TlsServer).setSecureContext(context)
    say.info('a new certificate is in force')
  }
  const failed = (why: string) => {
    say.error(`the new certificate cannot be used, the old one stays in force: ${why}`)
  }
  certificates.watch(changed, failed)
  return () => certificates.reload(changed, failed)
}

/** What takes its time at the start is told, and not held against it. */
function tellStart(text: string): void {
  systemd().status(text)
  systemd().extend(startPatienceMs)
}

/** The first start makes an administrator's token. */
async function giveAdminToken(world: World, stateDir: string): Promise<void> {
  const file = await firstAdminToken(world.store, stateDir)
  if (file !== null) world.say.info(`the administrator's token is in ${file}`)
}

/** The database's URL where it is kept as a secret, or null. */
export const databaseSecret = (): Promise<string | null> =>
  new Secrets(null, process.env).find('database-url')

function listenAddress(text: string): {host: string; port: number} {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535)
    throw new Error(`--listen expects HOST:PORT, such as 127.0.0.1:8010, not ${text}`)
  return {host: match[1] ?? (match[2] || '127.0.0.1'), port}
}

/** Runs a master until a signal ends it. SIGHUP reloads. Exit codes: 0 stopped, 1 could not start, 2 wrong configuration. */
export async function runMaster(options: MasterOptions): Promise<number> {
  let master: Master
  try {
    master = await startMaster(options)
  } catch (error) {
    const trouble = startTrouble(error, options)
    systemd().status(trouble)
    complain(error instanceof ConfigurationRefused ? error.message : trouble)
    await systemd().close()
    return error instanceof ConfigurationRefused ? 2 : 1
  }
  systemd().ready()
  process.on('SIGHUP', () => {
    systemd().reloading()
    void master.reload().finally(() => {
      systemd().ready()
    })
  })
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => {
        resolve()
      })
  })
  systemd().stopping()
  await master.stop()
  await systemd().close()
  return 0
}
