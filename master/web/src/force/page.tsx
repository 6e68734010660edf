// A form made from a force scheduler's parameters.
import {useMutation, useQuery} from '@tanstack/react-query'
import {useState, type SubmitEvent} from 'react'
import {Link, useSearch} from 'wouter'
import type {Scheduler} from '../../../http/shapes.ts'
import {problemsAt, readForm, type Problem} from '../../core/form.ts'
import {act, read, Refused} from '../api.ts'
import {NeedsRole, textIn, Trouble} from '../frame/acting.tsx'
import {Answered, Page} from '../frame/page.tsx'
import {useMay} from '../session.ts'
import {Field, ParameterField} from './fields.tsx'
import {Started} from './started.tsx'

export function ForcePage({name}: {name: string}) {
  const question = useQuery({queryKey: ['schedulers'], queryFn: read.schedulers})
  const scheduler = question.data?.items.find((one) => one.name === name)
  return (
    <Page title={scheduler?.label ?? name}>
      <Answered question={question}>
        {() =>
          scheduler?.kind === 'force' ? (
            <ForceForm scheduler={scheduler} />
          ) : (
            <p className="trouble">
              There is no force scheduler called {name}. The <Link href="/builders">builders</Link> show
              theirs.
            </p>
          )
        }
      </Answered>
    </Page>
  )
}

function ForceForm({scheduler}: {scheduler: Scheduler}) {
  const asked = new URLSearchParams(useSearch()).get('builder')
  const may = useMay('developer')
  const [typed, setTyped] = useState<Record<string, string | boolean>>({})
  const [own, setOwn] = useState<readonly Problem[]>([])
  const task = useMutation({mutationFn: (order: object) => act.force(scheduler.name, order)})
  const refused = task.error instanceof Refused ? task.error.problems : []
  const problems = own.length > 0 ? own : refused

  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const text = (name: string) => textIn(form, name)
    const {values, problems: found} = readForm(scheduler.parameters, typed)
    const builders =
      scheduler.builders.length === 1
        ? scheduler.builders
        : form.getAll('builder').filter((name) => typeof name === 'string')
    const all = builders.length === 0 ? [{path: 'builders', message: 'choose at least one'}, ...found] : found
    setOwn(all)
    if (all.length > 0) return focusFirst(all)
    const order = {builders, branch: text('branch'), revision: text('revision'), reason: text('reason')}
    task.mutate({
      ...Object.fromEntries(Object.entries(order).filter(([, value]) => value.length > 0)),
      parameters: values,
    })
  }
  if (task.data) return <Started buildset={task.data.buildset} onAgain={() => task.reset()} />
  const shownAt = new Set([
    'builders',
    'branch',
    'revision',
    'reason',
    ...scheduler.parameters.flatMap(({name}) => [name, `parameters.${name}`]),
  ])
  const elsewhere = problems.filter(({path}) => !shownAt.has(path))
  return (
    <form className="form" onSubmit={submit} noValidate>
      <NeedsRole role="developer" to="force a build" />
      {task.error && (refused.length === 0 || elsewhere.length > 0) && <Trouble error={task.error} />}
      {elsewhere.map(({path, message}) => (
        <p key={path + message} className="trouble">
          {path}: {message}
        </p>
      ))}
      {scheduler.builders.length > 1 && (
        <Builders builders={scheduler.builders} asked={asked} problems={problemsAt(problems, 'builders')} />
      )}
      <Field name="branch" label="Branch" problems={problemsAt(problems, 'branch')}>
        {(attributes) => (
          <input
            name="branch"
            defaultValue={scheduler.branch ?? ''}
            placeholder="the source’s usual branch"
            {...attributes}
          />
        )}
      </Field>
      <Field name="revision" label="Revision" problems={problemsAt(problems, 'revision')}>
        {(attributes) => (
          <input name="revision" className="mono" placeholder="the branch’s newest" {...attributes} />
        )}
      </Field>
      {scheduler.parameters.map((parameter) => (
        <ParameterField
          key={parameter.name}
          parameter={parameter}
          typed={typed[parameter.name]}
          problems={problemsAt(problems, `parameters.${parameter.name}`)}
          onTyped={(value) => setTyped((before) => ({...before, [parameter.name]: value}))}
        />
      ))}
      <Field name="reason" label="Reason" problems={problemsAt(problems, 'reason')}>
        {(attributes) => <input name="reason" maxLength={500} {...attributes} />}
      </Field>
      <p className="buttons">
        <button type="submit" className="main" disabled={!may || task.isPending}>
          {task.isPending ? 'Asking …' : 'Start'}
        </button>
      </p>
    </form>
  )
}

function focusFirst(problems: readonly Problem[]) {
  const name = (problems[0]?.path ?? '').replace(/^parameters\./, '')
  requestAnimationFrame(() => document.getElementById(`field-${name}`)?.focus())
}

function Builders({
  builders,
  asked,
  problems,
}: {
  builders: readonly string[]
  asked: string | null
  problems: readonly string[]
}) {
  return (
    <fieldset
      id="field-builders"
      tabIndex={-1}
      aria-describedby={problems.length > 0 ? 'problem-builders' : undefined}
    >
      <legend>Builders</legend>
      <div className="choices">
        {builders.map((name) => (
          <label key={name} className="tick">
            <input
              type="checkbox"
              name="builder"
              value={name}
              defaultChecked={asked === null || asked === name}
            />{' '}
            {name}
          </label>
        ))}
      </div>
      {problems.length > 0 && (
        <p id="problem-builders" className="problem">
          {problems.join('; ')}
        </p>
      )}
    </fieldset>
  )
}
