// Logging in with a token. The browser keeps a cookie that no script can read; the token itself is not kept.
import {useMutation, useQueryClient} from '@tanstack/react-query'
import type {SubmitEvent} from 'react'
import {useLocation, useSearch} from 'wouter'
import {act} from '../api.ts'
import {textIn, Trouble} from '../frame/acting.tsx'
import {Page} from '../frame/page.tsx'
import {useWho} from '../session.ts'

/** At its own address, or in place of a page that one may not see: then that page follows. */
export function LoginPage({inPlace = false}: {inPlace?: boolean}) {
  const who = useWho()
  const client = useQueryClient()
  const [, go] = useLocation()
  const back = ownAddress(new URLSearchParams(useSearch()).get('back'))
  const task = useMutation({
    mutationFn: (token: string) => act.logIn(token),
    onSuccess: async () => {
      if (!inPlace) go(back)
      await client.resetQueries()
    },
  })
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    task.mutate(textIn(new FormData(event.currentTarget), 'token'))
  }
  return (
    <Page title="Log in">
      <form className="form" onSubmit={submit}>
        {who?.name != null && (
          <p className="note">
            You are {who.name}, {who.role}.
          </p>
        )}
        <p>
          Paste a token. An administrator makes one with <code>ostler token user NAME --role developer</code>;
          the master’s first start wrote one to <code>admin-token</code> in its state directory.
        </p>
        {task.error && <Trouble error={task.error} />}
        <div className="field">
          <label htmlFor="token">Token</label>
          <input
            id="token"
            name="token"
            type="password"
            autoComplete="current-password"
            required
            autoFocus
            spellCheck={false}
          />
        </div>
        <p className="buttons">
          <button type="submit" className="main" disabled={task.isPending}>
            Log in
          </button>
        </p>
      </form>
    </Page>
  )
}

/** Only a path of this site, so that a link cannot send one elsewhere after logging in. */
const ownAddress = (back: string | null) => (back !== null && /^\/(?![/\\])/.test(back) ? back : '/')
