// The workers: who is there, what each runs, how it does, and who paused it and why.
import {useQuery} from '@tanstack/react-query'
import {Link} from 'wouter'
import type {Worker} from '../../../http/shapes.ts'
import {sayBytes} from '../../core/say.ts'
import {act, read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Action, NeedsRole} from '../frame/acting.tsx'
import {Answered, Page} from '../frame/page.tsx'
import {Ago, sayMomentsIn} from '../frame/times.tsx'

const key = ['workers']

export function WorkersPage() {
  const question = useQuery({queryKey: key, queryFn: read.workers, refetchInterval: 15_000})
  useRefreshed(key, ({type}) => type.startsWith('worker.') || type.startsWith('build.'), 1000)
  return (
    <Page title="Workers">
      <NeedsRole role="operator" to="pause, resume or drain workers" />
      <Answered question={question}>
        {({items}) =>
          items.length === 0 ? (
            <p>
              No worker is known yet. <code>ostler token worker NAME</code> makes a credential for one.
            </p>
          ) : (
            <ul className="cards">
              {items.map((worker) => (
                <WorkerCard key={worker.name} worker={worker} />
              ))}
            </ul>
          )
        }
      </Answered>
    </Page>
  )
}

const glyphs: Record<Worker['state'], string> = {
  connected: '●',
  paused: '❚❚',
  draining: '▽',
  quarantined: '⊘',
  lost: '✕',
  offline: '○',
}
const skewLoudMs = 2000
const diskLowBytes = 2e9

function WorkerCard({worker}: {worker: Worker}) {
  const isThere = worker.state !== 'lost' && worker.state !== 'offline'
  return (
    <li className={`card worker worker-${worker.state}`}>
      <header>
        <h2>{worker.name}</h2>
        <span className="worker-state">
          <span aria-hidden="true">{glyphs[worker.state]}</span> {worker.state}
        </span>
      </header>
      {worker.reason && <p className="note">{sayMomentsIn(worker.reason)}</p>}
      <p className="labels">
        {Object.entries(worker.labels).map(([name, value]) => (
          <span key={name} className="tag">
            {name}={value}
          </span>
        ))}
      </p>
      <dl className="facts">
        <dt>Slots</dt>
        <dd>
          <span className="slots" aria-hidden="true">
            {Array.from({length: Math.min(32, worker.maxBuilds)}, (_, slot) => (
              <i key={slot} className={slot < worker.running ? 'busy' : ''} />
            ))}
          </span>{' '}
          {worker.running} of {worker.maxBuilds} busy
        </dd>
        {worker.builds.length > 0 && (
          <>
            <dt>Runs</dt>
            <dd>
              {worker.builds.map((id) => (
                <RunningBuild key={id} id={id} />
              ))}
            </dd>
          </>
        )}
        <dt>Engine</dt>
        <dd>{worker.engine ?? 'none: builds run on the host'}</dd>
        <dt>Free disk</dt>
        <dd className={worker.freeBytes !== null && worker.freeBytes < diskLowBytes ? 'loud' : ''}>
          {worker.freeBytes === null ? 'not known' : sayBytes(worker.freeBytes)}
          {worker.freeBytes !== null && worker.freeBytes < diskLowBytes && ' ▲ low'}
        </dd>
        {worker.spool && <Spool spool={worker.spool} />}
        <dt>Clock</dt>
        <dd className={Math.abs(worker.skewMs) > skewLoudMs ? 'loud' : ''}>
          {Math.abs(worker.skewMs) < 100
            ? 'right'
            : `${(Math.abs(worker.skewMs) / 1000).toFixed(1)} s ${worker.skewMs > 0 ? 'ahead' : 'behind'}`}
        </dd>
        <dt>Version</dt>
        <dd>{worker.version ?? 'not known'}</dd>
        <dt>{isThere ? 'Since' : 'Last seen'}</dt>
        <dd>
          {isThere ? (
            worker.connectedAt && <Ago at={worker.connectedAt} />
          ) : worker.lastSeenAt ? (
            <Ago at={worker.lastSeenAt} />
          ) : (
            'never'
          )}
        </dd>
      </dl>
      <p className="buttons">
        {['paused', 'draining', 'quarantined'].includes(worker.state) ? (
          <Action needs="operator" kind="main" run={() => act.worker(worker.name, 'resume', '')}>
            Resume
          </Action>
        ) : (
          <>
            <Action
              needs="operator"
              asks={`Pause ${worker.name}? It finishes what it runs and takes nothing new.`}
              run={(reason) => act.worker(worker.name, 'pause', reason)}
            >
              Pause
            </Action>
            <Action
              needs="operator"
              asks={`Drain ${worker.name}? It finishes what it runs and then leaves.`}
              run={(reason) => act.worker(worker.name, 'drain', reason)}
            >
              Drain
            </Action>
          </>
        )}
      </p>
    </li>
  )
}

/** Output that waits on the worker for a master: of note when something waits, or was cut. */
function Spool({spool}: {spool: NonNullable<Worker['spool']>}) {
  const {bytes, limitBytes, policy, cutting, holding, cutBytes} = spool
  const isFull = cutting > 0 || holding > 0
  return (
    <>
      <dt>Spool</dt>
      <dd className={isFull ? 'loud' : ''}>
        {sayBytes(bytes)} of {sayBytes(limitBytes)}
        {isFull && ` ▲ full: ${cutting > 0 ? 'output is cut' : 'steps are held'}`}
        {!isFull && policy === 'block' && ', holds steps when full'}
        {cutBytes > 0 && `, ${sayBytes(cutBytes)} cut since its start`}
      </dd>
    </>
  )
}

function RunningBuild({id}: {id: string}) {
  const {data} = useQuery({queryKey: ['build', id], queryFn: () => read.build(id), staleTime: 30_000})
  return (
    <Link href={`/builds/${id}`} className="inline-build">
      {data ? `${data.builder} #${String(data.number)}` : `build ${id}`}
    </Link>
  )
}
