// Buttons that change something: they ask for a reason where one is kept, show that they work, and say what went wrong.
import {useMutation, useQueryClient} from '@tanstack/react-query'
import {useState, type SubmitEvent, type ReactNode} from 'react'
import {Link} from 'wouter'
import {loginAddress} from '../base.ts'
import {useMay, useWho, type Role} from '../session.ts'
import {Dialog} from './dialog.tsx'

interface ActionProps {
  readonly children: ReactNode
  readonly run: (reason: string) => Promise<unknown>
  readonly needs: Role
  /** Asks for a reason, and says under this title what will happen. */
  readonly asks?: string
  readonly kind?: 'danger' | 'main'
  readonly onDone?: (answer: unknown) => void
}

/** A button for those who may use it; nothing for others. */
export function Action({children, run, needs, asks, kind, onDone}: ActionProps) {
  const [asking, setAsking] = useState(false)
  const client = useQueryClient()
  const task = useMutation({
    mutationFn: run,
    onSuccess: (answer) => {
      setAsking(false)
      void client.invalidateQueries()
      onDone?.(answer)
    },
  })
  if (!useMay(needs)) return null
  const start = () => (asks === undefined ? task.mutate('') : setAsking(true))
  return (
    <>
      <button type="button" className={kind ?? ''} disabled={task.isPending} onClick={start}>
        {children}
      </button>
      {task.error && !asking && (
        <Dialog title="That did not work" onClose={() => task.reset()}>
          <p>{task.error.message}</p>
        </Dialog>
      )}
      {asking && asks !== undefined && (
        <AskReason
          title={asks}
          busy={task.isPending}
          error={task.error}
          onClose={() => {
            setAsking(false)
            task.reset()
          }}
          onGiven={(reason) => task.mutate(reason)}
        />
      )}
    </>
  )
}

/** A dialog with one field. */
export function AskReason({
  title,
  busy,
  error,
  onClose,
  onGiven,
}: {
  title: string
  busy: boolean
  error: Error | null
  onClose: () => void
  onGiven: (reason: string) => void
}) {
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    onGiven(textIn(new FormData(event.currentTarget), 'reason'))
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        <label>
          <span>Reason, for those who ask later</span>
          <input name="reason" maxLength={500} />
        </label>
        {error && <Trouble error={error} />}
        <p className="buttons">
          <button type="button" onClick={onClose}>
            No
          </button>
          <button type="submit" className="main" disabled={busy}>
            Yes
          </button>
        </p>
      </form>
    </Dialog>
  )
}

/** The text of a form's field, trimmed. */
export function textIn(form: FormData, name: string): string {
  const value = form.get(name)
  return typeof value === 'string' ? value.trim() : ''
}

/** What went wrong, in the master's words. */
export const Trouble = ({error}: {error: Error}) => (
  <p className="trouble" role="alert">
    {error.message}
  </p>
)

/** Says that one must log in, to those whose role does not reach. */
export function NeedsRole({role, to}: {role: Role; to: string}) {
  const who = useWho()
  const may = useMay(role)
  if (!who || may) return null
  if (who.name === null)
    return (
      <p className="note">
        <Link href={loginAddress()}>Log in</Link> to {to}.
      </p>
    )
  return (
    <p className="note">
      To {to} one needs the role {role}; {who.name} is {who.role}.
    </p>
  )
}
