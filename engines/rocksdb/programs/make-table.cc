// Makes a table under a LocalKms, for RocksDB's tools: make-table FOLDER TABLE [local:NAME | global:NAME]...

#include <iostream>
#include <string>

#include "tablecrypt.hpp"

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    tablecrypt::table_spec spec{argv[2]};
    for (int i = 3; i < argc; i++) {
        const std::string name = argv[i];
        if (name.rfind("local:", 0) == 0) {
            spec.locals.push_back(name.substr(6));
        } else if (name.rfind("global:", 0) == 0) {
            spec.globals.push_back(name.substr(7));
        } else {
            return 2;
        }
    }
    const auto service = tablecrypt::service::open_local(argv[1]);
    const auto status = service ? service->create_table(spec) : service.status();
    if (status == TABLECRYPT_OK) return 0;
    std::cerr << "make-table: " << tablecrypt::message(status) << "\n";
    return 1;
}
