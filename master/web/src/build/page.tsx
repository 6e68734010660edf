// One build: what came of it, its steps, and the log of the step one looks at.
import {useQuery} from '@tanstack/react-query'
import {useEffect, useState} from 'react'
import {Link, useLocation} from 'wouter'
import type {Build, Step} from '../../../http/shapes.ts'
import {formatAnchor, parseAnchor, stepAnchor, type Anchor} from '../../core/anchors.ts'
import {isBad} from '../../core/columns.ts'
import {toneOf} from '../../core/marks.ts'
import {shortRevision} from '../../core/say.ts'
import {read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {ownPath} from '../base.ts'
import {NeedsRole} from '../frame/acting.tsx'
import {Verdict} from '../frame/marks.tsx'
import {Answered, useTitle} from '../frame/page.tsx'
import {Ago, Took} from '../frame/times.tsx'
import {LogViewer} from '../log/viewer.tsx'
import {BuildActions} from '../waterfall/panel.tsx'
import {Artifacts, Changes, Facts, Properties} from './facts.tsx'
import {StepList, Tests} from './steps.tsx'

export function BuildPage({id}: {id: string}) {
  const key = ['build', id]
  const build = useQuery({queryKey: key, queryFn: () => read.build(id)})
  const steps = useQuery({
    queryKey: [...key, 'steps'],
    queryFn: () => read.steps(id),
    // No event tells of a log's first bytes.
    refetchInterval: ({state}) => (state.data?.items.some(isSilent) ? 1000 : false),
  })
  useRefreshed(
    key,
    ({data, type}) => data['build'] === id || (type === 'build.started' && build.data?.state === 'pending'),
  )
  return (
    <Answered question={build}>{(known) => <Shown build={known} steps={steps.data?.items ?? []} />}</Answered>
  )
}

const isSilent = ({state, logs}: Step) => state === 'running' && logs.length === 0

function Shown({build, steps}: {build: Build; steps: readonly Step[]}) {
  useTitle(`${build.builder} #${String(build.number)}`)
  const [anchor, setAnchor] = useAnchor()
  const step = pickStep(steps, anchor)
  const log = step && (step.logs.find(({name}) => name === anchor?.log) ?? step.logs[0])
  return (
    <div className="page build">
      <Head build={build} />
      <div className="build-columns">
        <div className="build-side">
          <section aria-labelledby="steps">
            <h2 id="steps">Steps</h2>
            <StepList
              steps={steps}
              current={step?.number ?? null}
              onPick={(number) => setAnchor(stepAnchor(number))}
            />
          </section>
          <Facts build={build} />
          <Changes build={build.id} />
          <Artifacts build={build.id} isOver={build.state === 'finished'} />
          <Properties build={build} />
        </div>
        <div className="build-log">
          {step && (
            <StepHead
              step={step}
              log={log?.name ?? null}
              onLog={(name) => setAnchor(formatAnchor({step: step.number, log: name, from: null, to: null}))}
            />
          )}
          {step?.tests && <Tests tests={step.tests} />}
          {log ? (
            <LogViewer
              key={log.id}
              log={log}
              step={step.number}
              isOnly={step.logs.length === 1}
              anchor={anchor?.step === step.number ? anchor : null}
              onAnchor={setAnchor}
            />
          ) : (
            <p className="log-none">{step ? 'This step has no log.' : 'No step has begun yet.'}</p>
          )}
        </div>
      </div>
    </div>
  )
}

function Head({build}: {build: Build}) {
  const [, go] = useLocation()
  const tone = toneOf(build)
  return (
    <header className={`build-head tone-${tone}`}>
      <div>
        <h1>
          <Link href={`/builders/${encodeURIComponent(build.builder)}`}>{build.builder}</Link> #{build.number}
        </h1>
        <p>
          <Verdict tone={tone} />
          {build.summary !== '' && <span className="summary">{build.summary}</span>}
        </p>
      </div>
      <dl className="head-facts">
        <div>
          <dt>{build.finishedAt === null && build.startedAt !== null ? 'Running for' : 'Took'}</dt>
          <dd className="figures">
            {build.startedAt ? <Took from={build.startedAt} to={build.finishedAt} /> : '–'}
          </dd>
        </div>
        <div>
          <dt>{build.startedAt ? 'Began' : 'Made'}</dt>
          <dd>
            <Ago at={build.startedAt ?? build.createdAt} />
          </dd>
        </div>
        <div>
          <dt>Revision</dt>
          <dd>
            <code>{shortRevision(build.gotRevision ?? build.sourceStamps[0]?.revision ?? '') || 'tip'}</code>
            {build.sourceStamps[0]?.branch && <> of {build.sourceStamps[0].branch}</>}
          </dd>
        </div>
        <div>
          <dt>Worker</dt>
          <dd>{build.worker ?? '–'}</dd>
        </div>
      </dl>
      <div className="buttons">
        <BuildActions
          id={build.id}
          state={build.state}
          onAgain={(again) => go(again === null ? '/requests' : `/builds/${again}`)}
        />
        <NeedsRole role="developer" to="build again or cancel" />
      </div>
    </header>
  )
}

function StepHead({step, log, onLog}: {step: Step; log: string | null; onLog: (name: string) => void}) {
  return (
    <div className="step-head">
      <Verdict tone={toneOf(step)}>{step.name}</Verdict>
      {step.summary !== '' && <span className="summary">{step.summary}</span>}
      {step.attempts > 1 && <span className="summary">{step.attempts} tries</span>}
      {step.warnings > 0 && <span className="summary">{step.warnings} warnings</span>}
      {step.logs.length > 1 && (
        <span className="log-tabs" role="group" aria-label="Logs">
          {step.logs.map(({name, id}) => (
            <button key={id} type="button" aria-pressed={name === log} onClick={() => onLog(name)}>
              {name}
            </button>
          ))}
        </span>
      )}
    </div>
  )
}

/** What the address points at, else what runs, else what went wrong first, else the last that said anything. */
function pickStep(steps: readonly Step[], anchor: Anchor | null): Step | undefined {
  const begun = steps.filter((step) => step.state !== 'pending')
  return (
    steps.find(({number}) => number === anchor?.step) ??
    begun.find(({state}) => state === 'running') ??
    begun.find(({result}) => isBad(result)) ??
    begun.filter(({logs}) => logs.length > 0).at(-1) ??
    begun.at(-1)
  )
}

/** The place in the address after `#`, kept in step with it. */
function useAnchor(): [Anchor | null, (hash: string) => void] {
  const [hash, setHash] = useState(location.hash)
  const [, go] = useLocation()
  useEffect(() => {
    const look = () => setHash(location.hash)
    addEventListener('hashchange', look)
    addEventListener('popstate', look)
    return () => {
      removeEventListener('hashchange', look)
      removeEventListener('popstate', look)
    }
  }, [])
  return [
    parseAnchor(hash),
    (next) => {
      go(ownPath() + next, {replace: true})
      setHash(next)
    },
  ]
}
