# clang 19 with its own standard library. Before version 20, libc++ has std::stop_token only as an experimental part.
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_CXX_FLAGS_INIT "-stdlib=libc++ -fexperimental-library")
