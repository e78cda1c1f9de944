/* An intrusive circular list: hooks live inside the things that are listed,
 * so adding and dropping allocate nothing and cannot fail.
 *
 * A hook is either alone (list_init) or in one list. To walk a list whose
 * callbacks may drop or free any member, move it to a list of one's own
 * (list_move_all) and take from its front until it is empty. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

/* The thing of `type` whose `member` is at `hook`. */
#define LIST_ENTRY(hook, type, member) \
    ((type *)(void *)((char *)(hook)-offsetof(type, member)))

static inline void
list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool
list_is_empty(const struct list *l) /* of a hook: it is in no list */
{
    return l->next == l;
}

static inline void
list_drop(struct list *hook)
{
    hook->prev->next = hook->next;
    hook->next->prev = hook->prev;
    list_init(hook);
}

/* At the front, or at the back; a hook that is listed moves. */
static inline void
list_push(struct list *l, struct list *hook)
{
    list_drop(hook);
    hook->next = l->next;
    hook->prev = l;
    l->next->prev = hook;
    l->next = hook;
}

static inline void
list_append(struct list *l, struct list *hook)
{
    list_drop(hook); /* first: it may be the last one, which is l->prev */
    list_drop(hook); /* first: it may be l->prev itself */
    list_push(l->prev, hook);
}

/* Everything of `from` to the empty `to`. */
static inline void
list_move_all(struct list *from, struct list *to)
{
    list_init(to);
    if (list_is_empty(from)) {
        return;
    }
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

/* Takes the first hook out; NULL when there is none. */
static inline struct list *
list_take(struct list *l)
{
    if (list_is_empty(l)) {
        return NULL;
    }
    struct list *hook = l->next;
    list_drop(hook);
    return hook;
}

#endif
