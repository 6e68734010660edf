// Lint with types over all rooms. What prettier decides is not asked here; what `tsc` already refuses neither.
import tseslint from 'typescript-eslint'

export default tseslint.config(
  {ignores: ['debian/tree/', 'dist/', 'node_modules/', '**/*.mjs', 'eslint.config.js', 'config/examples/']},
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: ['error', 'always', {null: 'ignore'}],
      'no-console': 'off',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', {fixStyle: 'inline-type-imports'}],
      // Numbers and booleans in a message are what they look like.
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true, allowBoolean: true}],
      // `() => stop()` reads better than braces around a call for its effect.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // Environment variables and rows are read by name from index signatures.
      '@typescript-eslint/dot-notation': 'off',
      // An empty function says "nothing to do here" well enough.
      '@typescript-eslint/no-empty-function': 'off',
      // A function that only sometimes waits may keep the shape of those that do.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        {argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none'},
      ],
      // A type parameter may exist for its caller's reading: `get<Build>(path)`.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // fastify's handlers and hooks, and event listeners, take functions that return promises and handle rejections
      // (the first), or whose rejection is the process's end (the second, by decision).
      '@typescript-eslint/no-misused-promises': [
        'error',
        {checksVoidReturn: {arguments: false, attributes: false}},
      ],
      // Indexing may give undefined to the type checker where the line before has shown that it does not.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Structures that look like a class's are made on purpose: streams of `pg`, sockets of `ws`, TypeORM's options.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // A getter may answer null before anything was set.
      '@typescript-eslint/related-getter-setter-pairs': 'off',
      // Code points are what is meant by spreading a string here.
      '@typescript-eslint/no-misused-spread': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // What was found by index may be missing when a test fails, and must then fail as a comparison.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },
)
