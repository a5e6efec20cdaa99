import * as z from 'zod';

/** Schemas of the answers: they are checked against them, the documentation shows them, and the page has its types from them. */

const probability = (of: string) => z.number().min(0).max(1).describe(of);

/** An error, as sent to clients and between processes. */
export const PlainError = z
  .object({
    code: z
      .string()
      .describe('Kind of the error, for programs.')
      .meta({ examples: ['bad-image'] }),
    message: z
      .string()
      .describe('What happened and what to do, for people.')
      .meta({ examples: ['The file is damaged or cut short.'] }),
  })
  .meta({ id: 'ErrorDetails' });
export type PlainError = Readonly<z.output<typeof PlainError>>;

/** The answer to a request that failed. */
export const Failure = z.object({ error: PlainError }).meta({ id: 'Failure' });

const Word = {
  word: z
    .string()
    .describe('The word.')
    .meta({ examples: ['dog'] }),
  p: probability('Probability of the word given the photo and the words before it.'),
};

/** A word with its probability. */
export const AnsweredWord = z.object(Word).meta({ id: 'Word' });
export type AnsweredWord = Readonly<z.output<typeof AnsweredWord>>;

/** A caption with its probability and that of each word. */
export const AnsweredCaption = z
  .object({
    caption: z
      .string()
      .describe('The caption.')
      .meta({ examples: ['a dog runs through the grass'] }),
    p: probability('Probability of the whole caption given the photo.'),
    logProbability: z.number().describe('Natural logarithm of p.'),
    confidence: probability('Probability that the caption is good; null for a captioner that is not calibrated.')
      .nullable()
      .optional(),
    tokens: z.array(AnsweredWord).readonly().describe('The words of the caption.'),
  })
  .meta({ id: 'Caption' });
export type AnsweredCaption = Readonly<z.output<typeof AnsweredCaption>>;

const name = z
  .string()
  .optional()
  .describe('File name, if the client gave one.')
  .meta({ examples: ['dog.jpg'] });
const captions = z.array(AnsweredCaption).readonly().describe('Captions, most likely first.');
/** The captions of a photo. */
export const CaptionedPhoto = z.object({ name, captions }).meta({ id: 'CaptionedPhoto' });

/** A photo of several that has no captions. */
export const FailedPhoto = z.object({ name, error: PlainError }).meta({ id: 'FailedPhoto' });

/** The result of one photo. */
export type AnsweredPhoto =
  | Readonly<z.output<typeof CaptionedPhoto> & { error?: undefined }>
  | Readonly<z.output<typeof FailedPhoto> & { captions?: undefined }>;

/** The results of several photos. */
export const CaptionedPhotos = z
  .object({ images: z.array(z.union([CaptionedPhoto, FailedPhoto])).describe('A result for each photo, in order.') })
  .meta({ id: 'CaptionedPhotos' });

/** The result of a photo of several, as a line or an event. */
export type AnsweredLine = AnsweredPhoto & { readonly index: number };

/** A prefix of a caption that the search considered. */
export const AnsweredCandidate = z
  .object({
    ...Word,
    id: z.int().describe('Number of the prefix, unique within the search.'),
    parent: z.int().describe('Number of the prefix that it continues; 0 is the empty one.'),
    score: z.number().describe('Length-normalised log-probability that it was ranked by.'),
    kept: z.boolean().describe('Whether the search continued it, or kept it as a caption.'),
    finished: z.boolean().describe('Whether the caption ends here.'),
  })
  .meta({ id: 'Candidate' });
export type AnsweredCandidate = Readonly<z.output<typeof AnsweredCandidate>>;

const explainedWord = z
  .object({ ...Word, alternatives: z.array(AnsweredWord).readonly().describe('Most likely words at this position.') })
  .meta({ id: 'ExplainedWord' });

/** The captions of a photo, and how the first of them came about. */
export const AnsweredExplanation = z
  .object({
    captions,
    words: z.array(explainedWord).readonly().describe('Words of the first caption and, last, its <end>.'),
    search: z.array(z.array(AnsweredCandidate).readonly()).readonly().describe('Steps of the search.'),
    occlusion: z.object({
      grid: z.int().describe('Places along each side of the photo.'),
      drops: z
        .array(z.array(z.array(z.number()).readonly()).readonly())
        .readonly()
        .describe(
          'For each word, a map of rows and columns: the drop in its ln p when that part of the photo is hidden.',
        ),
    }),
  })
  .meta({ id: 'Explanation' });
export type AnsweredExplanation = Readonly<z.output<typeof AnsweredExplanation>>;

/** The public facts about the captioner. */
export const AnsweredModel = z
  .object({
    fingerprint: z.string().describe('Checksum of the weights and vocabulary.'),
    encoder: z.string().describe('Name of the encoder.'),
    dataset: z.string().describe('Data set that the captioner was trained on.'),
    words: z.int().describe('Size of its vocabulary.'),
  })
  .meta({ id: 'Model' });
export type AnsweredModel = Readonly<z.output<typeof AnsweredModel>>;

/** Whether the service captions, why not, and its limits. */
export const Readiness = z
  .object({
    status: z.enum(['ready', 'not-ready']),
    error: PlainError.optional(),
    model: AnsweredModel.optional(),
    workers: z.int().describe('Worker processes.'),
    limits: z.object({
      maxFiles: z.int().describe('Maximum photos per request.'),
      maxFileMegabytes: z.number().describe('Maximum size of a photo.'),
      maxRequestMegabytes: z.number().describe('Maximum size of a request.'),
      maxBeam: z.int().describe('Maximum beam width, and maximum captions per photo.'),
      maxLength: z.int().describe('Maximum caption length in words.'),
    }),
    needsKey: z.boolean().describe('Whether captioning needs a key.'),
  })
  .meta({ id: 'Readiness' });
export type Readiness = Readonly<z.output<typeof Readiness>>;

/** The answer to a reload of the checkpoint. */
export const Reloaded = z.object({ status: z.literal('reloaded'), model: AnsweredModel }).meta({ id: 'Reloaded' });

/** A sign of life. */
export const Health = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });

/** The captions of a photo in the shape of Hugging Face's image-to-text task. */
export const GeneratedTexts = z
  .array(z.object({ generated_text: z.string().describe('A caption.') }).meta({ id: 'GeneratedText' }))
  .describe('Captions of the photo, most likely first.');
