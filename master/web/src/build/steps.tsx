// A build's steps with how long each took, and what its tests said.
import type {Step} from '../../../http/shapes.ts'
import {toneOf} from '../../core/marks.ts'
import {Mark} from '../frame/marks.tsx'
import {Took} from '../frame/times.tsx'

export function StepList({
  steps,
  current,
  onPick,
}: {
  steps: readonly Step[]
  current: number | null
  onPick: (step: number) => void
}) {
  const longest = Math.max(1, ...steps.map(tookMs))
  return (
    <ol className="steps">
      {steps.map((step) => (
        <li key={step.number}>
          <button
            type="button"
            className={`step tone-${toneOf(step)}`}
            aria-current={step.number === current ? 'step' : undefined}
            onClick={() => onPick(step.number)}
          >
            <Mark tone={toneOf(step)} />
            <span className="step-name">
              {step.name}
              {step.summary !== '' && <small>{step.summary}</small>}
            </span>
            <span className="figures">
              <Took from={step.startedAt} to={step.finishedAt} />
            </span>
            <i className="share" style={{width: `${String(Math.round((tookMs(step) / longest) * 100))}%`}} />
          </button>
        </li>
      ))}
    </ol>
  )
}

const tookMs = ({startedAt, finishedAt}: Step) =>
  startedAt === null || finishedAt === null ? 0 : Date.parse(finishedAt) - Date.parse(startedAt)

/** Counts, and each failure with what it said. */
export const Tests = ({tests}: {tests: NonNullable<Step['tests']>}) => (
  <section className="tests" aria-label="Tests">
    <p>
      <b>{tests.passed}</b> passed, <b>{tests.failed}</b> failed, <b>{tests.skipped}</b> skipped
    </p>
    {tests.failures.map((failure) => (
      <details key={failure.name}>
        <summary>
          <Mark tone="failure" /> {failure.name}
        </summary>
        <pre tabIndex={0}>{failure.text}</pre>
      </details>
    ))}
  </section>
)
