/* The watchdog: the service manager ends a daemon that it does not hear from in time. It hears only
 * when every loop has answered.
 *
 *   RESTS ──(a third of the time)──> ASKS ──(the last worker has answered)──> tell, RESTS
 *
 * Each worker gets a message and sends it back. A loop that is stuck, the control loop too, keeps
 * the round from ending, and nothing is said until it does.
 */
#include "daemon/internal.h"

#include <stdio.h>

static uint64_t round_ms(const struct daemon *x)
{
    uint64_t ms = x->service.watchdog_us / 3000;
    return ms ? ms : 1;
}

static void rest(struct daemon *x)
{
    service_tell(&x->service, "WATCHDOG=1");
    if (x->beat_is_late) {
        fprintf(stderr, "cheopsd: every worker answers again\n");
        daemon_tell_status(x, "");
    }
    x->beat_is_late = false;
    rt_timer_set(x->loop, &x->beat_timer, rt_now_ms(x->loop) + round_ms(x));
}

static void come_home(struct rt_loop *l, struct rt_message *m)
{
    struct worker_thread *t = CONTAINER_OF(m, struct worker_thread, beat);
    struct daemon *x = t->daemon;
    t->owes_beat = false;
    if (--x->n_beats_owed == 0 && x->service.watchdog_us)
        rest(x);
}

/* On the worker's loop. */
static void visit(struct rt_loop *l, struct rt_message *m)
{
    struct worker_thread *t = CONTAINER_OF(m, struct worker_thread, beat);
    t->beat.deliver = come_home;
    rt_post(t->daemon->loop, &t->beat);
}

static void ask(struct daemon *x)
{
    x->n_beats_owed = x->n_threads;
    for (size_t i = 0; i < x->n_threads; i++) {
        struct worker_thread *t = &x->threads[i];
        t->owes_beat = true;
        t->beat.deliver = visit;
        rt_post(t->loop, &t->beat);
    }
}

/* Once a round; the service manager's own word comes when it is too late. */
static void say_late(struct daemon *x)
{
    if (x->beat_is_late)
        return;
    x->beat_is_late = true;
    for (size_t i = 0; i < x->n_threads; i++)
        if (x->threads[i].owes_beat) {
            fprintf(stderr, "cheopsd: worker-%zu has not answered for %llu ms\n", i,
                    (unsigned long long)round_ms(x));
            service_tell(&x->service, "STATUS=worker-%zu does not answer", i);
        }
}

static void run(struct rt_task *task)
{
    struct daemon *x = CONTAINER_OF(task, struct daemon, beat_task);
    if (!rt_timer_is_due(x->loop, &x->beat_timer))
        return;
    if (x->n_beats_owed) {
        say_late(x);
        rt_timer_clear(x->loop, &x->beat_timer);
        return;
    }
    ask(x);
    rt_timer_set(x->loop, &x->beat_timer, rt_now_ms(x->loop) + round_ms(x));
}

void daemon_watchdog_start(struct daemon *x)
{
    x->beat_task.run = run;
    rt_timer_init(&x->beat_timer, &x->beat_task);
    if (x->service.watchdog_us)
        rest(x);
}

void daemon_watchdog_stop(struct daemon *x)
{
    x->service.watchdog_us = 0;
    rt_timer_clear(x->loop, &x->beat_timer);
    rt_cancel(x->loop, &x->beat_task);
}
