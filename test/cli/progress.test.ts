import { expect } from 'chai';
import { duration, TerminalProgress } from '../../cli/progress.js';

describe('progress without a terminal', () => {
  let time: number;
  let lines: string[];
  let progress: TerminalProgress;
  beforeEach(() => {
    time = 0;
    lines = [];
    progress = new TerminalProgress({ write: (text) => lines.push(text) }, () => time);
  });

  it('is a line every ten seconds and one at the end', () => {
    progress.start('Extracting', 8000, 'photos');
    for (time = 0; time <= 25_000; time += 500) progress.update(time / 10);
    progress.stop();
    expect(lines).to.deep.equal([
      'Extracting 12 %  1,000/8,000 photos  100 photos/s  1:10 left\n',
      'Extracting 25 %  2,000/8,000 photos  100 photos/s  1:00 left\n',
      'Extracting 31 %  2,500/8,000 photos  98 photos/s  0:56 left\n',
    ]);
  });

  it('does not count work before a resume in the speed', () => {
    progress.start('Extracting', 8000, 'photos');
    progress.update(7000);
    time = 10_000;
    progress.update(7100, 'one bad photo');
    expect(lines).to.deep.equal(['Extracting 88 %  7,100/8,000 photos  10 photos/s  1:30 left  one bad photo\n']);
  });

  it('shows bytes as megabytes, and no time left if the total is unknown', () => {
    progress.start('Downloading', 0, 'bytes');
    progress.update(0);
    time = 10_000;
    progress.update(25e6);
    expect(lines).to.deep.equal(['Downloading  25.0 MB  2.5 MB/s\n']);
  });

  it('says nothing about a task that never began', () => {
    progress.start('Extracting', 10, 'photos');
    progress.stop();
    progress.stop();
    progress.update(3);
    expect(lines).to.deep.equal([]);
  });
});

describe('durations', () => {
  it('are minutes and seconds, and hours if there are any', () => {
    expect([0, 59.6, 61, 3725].map(duration)).to.deep.equal(['0:00', '1:00', '1:01', '1:02:05']);
  });
});
