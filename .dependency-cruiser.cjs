// The house's floors: a folder of lib/ imports from lower floors only (docs/architecture.md).
const floors = [['backend'], ['text', 'images'], ['data'], ['model'], ['decode'], ['metrics'], ['train'], ['viz']];

const upward = floors.slice(0, -1).map((rooms, floor) => ({
  name: `floor-${floor + 1}-imports-only-from-below`,
  severity: 'error',
  from: { path: `^lib/(${rooms.join('|')})/` },
  to: {
    path: `^lib/(${floors
      .slice(floor + 1)
      .flat()
      .join('|')})/`,
  },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'backend-knows-nothing-of-ours',
      severity: 'error',
      from: { path: '^lib/backend/' },
      to: { path: '^(lib|cli|serve)/', pathNot: ['^lib/backend/', '^lib/errors\\.ts$'] },
    },
    {
      name: 'doors-use-the-public-api',
      comment: 'cli/ and serve/ see of lib/ what every user of the package sees.',
      severity: 'error',
      from: { path: '^(cli|serve)/' },
      to: { path: '^lib/', pathNot: ['^lib/(index|training|viz)\\.ts$'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.check.json' },
    tsPreCompilationDeps: true,
  },
};
