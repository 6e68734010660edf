// The fields of a form, one look for all kinds, each with its problems beside it.
import type {ReactNode} from 'react'
import {typedDefault, type Parameter} from '../../core/form.ts'

interface Attributes {
  readonly id: string
  readonly 'aria-invalid': boolean
  readonly 'aria-describedby': string | undefined
}

export function Field({
  name,
  label,
  required = false,
  problems,
  hint,
  children,
}: {
  name: string
  label: string
  required?: boolean
  problems: readonly string[]
  hint?: string
  children: (attributes: Attributes) => ReactNode
}) {
  const isWrong = problems.length > 0
  const about = [isWrong ? `problem-${name}` : '', hint ? `hint-${name}` : ''].filter(Boolean).join(' ')
  return (
    <div className={isWrong ? 'field wrong' : 'field'}>
      <label htmlFor={`field-${name}`}>
        {label}
        {required && <em> required</em>}
      </label>
      {children({
        id: `field-${name}`,
        'aria-invalid': isWrong,
        'aria-describedby': about === '' ? undefined : about,
      })}
      {hint && (
        <small id={`hint-${name}`} className="hint">
          {hint}
        </small>
      )}
      {isWrong && (
        <p id={`problem-${name}`} className="problem">
          {problems.join('; ')}
        </p>
      )}
    </div>
  )
}

export function ParameterField({
  parameter,
  typed,
  problems,
  onTyped,
}: {
  parameter: Parameter
  typed: string | boolean | undefined
  problems: readonly string[]
  onTyped: (value: string | boolean) => void
}) {
  const {name, kind, required} = parameter
  const value = typed ?? typedDefault(parameter)
  const text = String(value)
  return (
    <Field
      name={name}
      label={parameter.label === '' ? name : parameter.label}
      required={required}
      problems={problems}
      hint={hintOf(parameter)}
    >
      {(attributes) => {
        const usual = {
          ...attributes,
          name,
          required,
          onChange: (event: {target: {value: string}}) => onTyped(event.target.value),
        }
        switch (kind) {
          case 'boolean':
            return (
              <input
                {...attributes}
                name={name}
                type="checkbox"
                checked={value === true}
                onChange={(event) => onTyped(event.target.checked)}
              />
            )
          case 'choice':
            return (
              <select {...usual} value={text}>
                {!required && <option value="">–</option>}
                {parameter.choices.map((choice) => (
                  <option key={choice}>{choice}</option>
                ))}
              </select>
            )
          case 'text':
            return <textarea {...usual} rows={5} value={text} />
          case 'integer':
            return <input {...usual} inputMode="numeric" value={text} />
          case 'string':
            return <input {...usual} value={text} />
        }
      }}
    </Field>
  )
}

function hintOf({min, max, pattern}: Parameter): string {
  const range =
    min !== null && max !== null
      ? `${String(min)} to ${String(max)}`
      : min !== null
        ? `at least ${String(min)}`
        : max !== null
          ? `at most ${String(max)}`
          : ''
  return [range, pattern === null ? '' : `like ${pattern}`].filter(Boolean).join(', ')
}
