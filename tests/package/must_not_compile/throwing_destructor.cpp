// expect: destructor of an element must not throw
// CH-24: a channel destroys values in its own destructor, where an exception could only end the program.
#include <sluice/channel.hpp>

struct well_behaved {
    ~well_behaved() {}
};
struct throwing {
    ~throwing() noexcept(false) {}
};

sluice::channel<well_behaved> ends_well{1};
#if defined(MISUSE)
sluice::channel<throwing> ends_badly{1};
#endif
