// The side panel: what happened in the selected build, or why the selected request waits, and what to do about it.
import {useQuery} from '@tanstack/react-query'
import {useLocation, Link} from 'wouter'
import type {Log, Step} from '../../../http/shapes.ts'
import {stepAnchor} from '../../core/anchors.ts'
import {isBad} from '../../core/columns.ts'
import {toneOf} from '../../core/marks.ts'
import {shortRevision} from '../../core/say.ts'
import {act, read, readLines} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Action} from '../frame/acting.tsx'
import {Verdict} from '../frame/marks.tsx'
import {Ago, sayMomentsIn, Took} from '../frame/times.tsx'
import {StaticLines} from '../log/lines.tsx'
import type {BuildRow, PendingRow} from './arrange.ts'
import type {Board} from './data.ts'
import {ChangeList} from './rails.tsx'

const tailLines = 30

export function BuildPanel({
  id,
  row,
  board,
  onClose,
}: {
  id: string
  row: BuildRow | null
  board: Board
  onClose: () => void
}) {
  const key = ['build', id]
  const build = useQuery({queryKey: key, queryFn: () => read.build(id)})
  const steps = useQuery({
    queryKey: [...key, 'steps'],
    queryFn: () => read.steps(id),
    // A running step's log grows without events.
    refetchInterval: ({state}) => (state.data?.items.some((step) => step.state === 'running') ? 1500 : false),
  })
  useRefreshed(key, ({data}) => data['build'] === id)
  const shown = build.data ?? row
  const telling = pickTelling(steps.data?.items ?? [])
  const changes = board.changes.filter((change) => row?.changes.includes(change.id))
  if (!shown)
    return (
      <Shell title={build.error ? 'No such build' : 'Loading …'} onClose={onClose}>
        {build.error && <p className="trouble">{build.error.message}</p>}
      </Shell>
    )
  return (
    <Shell title={`${shown.builder} #${String(shown.number)}`} onClose={onClose}>
      <p>
        <Verdict tone={toneOf(shown)} />
        {shown.summary !== '' && <span className="summary">{shown.summary}</span>}
      </p>
      <dl className="facts">
        <Fact name="Took">
          <Took from={shown.startedAt} to={shown.finishedAt} />
        </Fact>
        <Fact name="Began">{shown.startedAt && <Ago at={shown.startedAt} />}</Fact>
        <Fact name="Worker">{shown.worker}</Fact>
        <Fact name="Revision">{shown.gotRevision && <code>{shortRevision(shown.gotRevision)}</code>}</Fact>
        <Fact name="Branch">{row?.branch}</Fact>
        <Fact name="Reason">{shown.reason}</Fact>
      </dl>
      <p className="buttons">
        <Link href={`/builds/${id}`} className="button main">
          Open build
        </Link>
        <BuildActions id={id} state={shown.state} />
      </p>
      {telling && <Tail step={telling} build={id} />}
      {changes.length > 0 && (
        <>
          <h3>Changes</h3>
          <ChangeList changes={changes} />
        </>
      )}
    </Shell>
  )
}

/** Build again, or cancel while it runs. `onAgain` gets the new build, or null when it still waits. */
export function BuildActions({
  id,
  state,
  onAgain,
}: {
  id: string
  state: string
  onAgain?: (build: string | null) => void
}) {
  return state === 'finished' ? (
    <span data-act="again">
      <Action
        needs="developer"
        run={async () => firstBuildOf((await act.rebuild(id)).buildset)}
        onDone={(build) => onAgain?.(build as string | null)}
      >
        Build again
      </Action>
    </span>
  ) : (
    <span data-act="cancel">
      <Action
        needs="developer"
        kind="danger"
        asks="Cancel this build?"
        run={(reason) => act.cancelBuild(id, reason)}
      >
        Cancel
      </Action>
    </span>
  )
}

/** The first build of a buildset, when it begins soon. */
async function firstBuildOf(buildset: string): Promise<string | null> {
  for (let left = 12; left > 0; left--) {
    const {requests} = await read.buildset(buildset)
    const [build] = requests.flatMap(({builds}) => builds)
    if (build !== undefined) return build
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  return null
}

/** The step whose log says most: the first that went wrong, else the one that runs. */
const pickTelling = (steps: readonly Step[]): Step | undefined =>
  steps.find((step) => isBad(step.result) && step.logs.length > 0) ??
  steps.find((step) => step.state === 'running' && step.logs.length > 0)

function Tail({step, build}: {step: Step; build: string}) {
  const log = step.logs[0] as Log
  const from = Math.max(0, log.lines - tailLines)
  const lines = useQuery({
    queryKey: ['tail', log.id, log.lines],
    queryFn: ({signal}) => readLines(log.id, from, tailLines, signal),
    placeholderData: (previous) => previous,
  })
  return (
    <section>
      <h3>
        <Link href={`/builds/${build}${stepAnchor(step.number)}`}>
          <Verdict tone={toneOf(step)}>{step.name}</Verdict>
        </Link>
      </h3>
      {step.tests && step.tests.failures.length > 0 && (
        <ul className="failed-tests">
          {step.tests.failures.slice(0, 8).map((failure) => (
            <li key={failure.name}>{failure.name}</li>
          ))}
        </ul>
      )}
      {lines.data && <StaticLines lines={lines.data} label={`the end of ${step.name}`} />}
      {lines.error && <p className="trouble">{lines.error.message}</p>}
    </section>
  )
}

export function RequestPanel({request, onClose}: {request: PendingRow; onClose: () => void}) {
  const [, go] = useLocation()
  return (
    <Shell title={`${request.builder}: waiting`} onClose={onClose}>
      <p>
        <Verdict tone="pending" /> since <Ago at={request.submittedAt} />
      </p>
      <Reasons waiting={request.waiting} />
      <dl className="facts">
        <Fact name="Reason">{request.reason}</Fact>
        {request.sourceStamps.map((stamp) => (
          <Fact key={stamp.repository} name={stamp.repository}>
            {stamp.branch} {stamp.revision && <code>{shortRevision(stamp.revision)}</code>}
          </Fact>
        ))}
      </dl>
      <p className="buttons">
        <button type="button" onClick={() => go('/requests')}>
          The whole queue
        </button>
        <span data-act="cancel">
          <Action
            needs="developer"
            kind="danger"
            asks="Cancel this request?"
            run={(why) => act.cancelRequest(request.id, why)}
          >
            Cancel
          </Action>
        </span>
      </p>
    </Shell>
  )
}

/** Why something waits, all of it. */
export const Reasons = ({waiting}: {waiting: PendingRow['waiting']}) =>
  waiting.length === 0 ? (
    <p>It is about to start.</p>
  ) : (
    <ul className="reasons">
      {waiting.map(({code, text}) => (
        <li key={code + text}>{sayMomentsIn(text)}</li>
      ))}
    </ul>
  )

export const Fact = ({name, children}: {name: string; children: React.ReactNode}) =>
  children === null || children === undefined || children === false || children === '' ? null : (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )

function Shell({title, onClose, children}: {title: string; onClose: () => void; children: React.ReactNode}) {
  return (
    <aside className="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <button type="button" className="plain" aria-label="Close panel" onClick={onClose}>
          ✕
        </button>
      </header>
      {children}
    </aside>
  )
}
