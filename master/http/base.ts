// Where the page lies below its host: at `/`, or below the path of the configured `url`, such as `/ostler/`.

/** The path of the page's address, with a slash at both ends; `/` when none is configured. */
export function basePath(url: string | null): string {
  if (url === null) return '/'
  const {pathname} = new URL(url)
  return pathname.endsWith('/') ? pathname : `${pathname}/`
}

/** An address that was asked for, as the routes know it. A proxy may have taken the base away already, or not. */
export function withoutBase(asked: string, base: string): string {
  if (base === '/') return asked
  if (asked.startsWith(base)) return asked.slice(base.length - 1)
  const bare = base.slice(0, -1)
  return asked === bare || asked.startsWith(`${bare}?`) ? `/${asked.slice(bare.length)}` : asked
}
