/** The follow-up's Worker as the page sees it: started when something is asked, and ended to give its memory back. */
import { engineModule } from '../engine/module.ts';
import { CPU_SILENCE_S, Peer } from '../engine/peer.ts';
import type { FromAny } from '../protocol.ts';
import type { FromFollow, Kind, Questions, ToFollow } from './protocol.ts';

interface Waiting {
  resolve(answer: Questions[Kind]['answer']): void;
  reject(error: Error): void;
}

export class FollowClient {
  private peer: Promise<Peer<ToFollow, FromFollow | FromAny>> | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  async ask<K extends Kind>(type: K, question: Questions[K]['ask']): Promise<Questions[K]['answer']> {
    this.peer ??= this.start();
    const peer = await this.peer.catch((error: unknown) => {
      this.peer = undefined;
      throw error;
    });
    return this.post(peer, type, question);
  }

  /** What was asked is never answered; the next question starts a new Worker. */
  end(): void {
    void this.peer?.then((peer) => peer.end()).catch(() => undefined);
    this.peer = undefined;
    this.fail('it was ended');
  }

  private async start(): Promise<Peer<ToFollow, FromFollow | FromAny>> {
    const module = await engineModule();
    const worker = new Worker(new URL('../worker/follow.ts', import.meta.url), { type: 'module' });
    const peer = new Peer<ToFollow, FromFollow | FromAny>(worker, {
      message: (message) => this.receive(peer, message as FromFollow),
      died: (cause) => {
        this.peer = undefined;
        this.fail(cause);
      },
    });
    await this.post(peer, 'start', { module });
    return peer;
  }

  private post<K extends Kind>(peer: Peer<ToFollow, FromFollow | FromAny>, type: K, question: Questions[K]['ask']): Promise<Questions[K]['answer']> {
    this.asked += 1;
    const id = this.asked;
    peer.expect({ silence: CPU_SILENCE_S });
    peer.post({ ...question, type, id } as unknown as ToFollow);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: (answer) => resolve(answer as Questions[K]['answer']), reject });
    });
  }

  private receive(peer: Peer<ToFollow, FromFollow | FromAny>, message: FromFollow): void {
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (this.waiting.size === 0) peer.rest();
    if (message.type === 'failed') waiting?.reject(new Error(message.message));
    else waiting?.resolve(message.answer);
  }

  private fail(message: string): void {
    for (const { reject } of this.waiting.values()) reject(new Error(message));
    this.waiting.clear();
  }
}
